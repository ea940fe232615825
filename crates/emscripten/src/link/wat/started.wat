;; For a guest that is started once and then runs many times, each time from the memory that it had when it had started: `boot` starts it,
;; `before` makes table and globals of another instance as they are then, and `run` does what is left once that has the memory.

(func $good (param $status i32)
  (if (i32.load $memory (local.get $status)) (then (call $abort))))

(func (export "boot")
  (local $status i32) (local $config i32)
  (call $resolve)
  (call $__wasm_call_ctors)
  (call $prepare_python)
  (local.set $status (call $room (i32.const 16)))
  (local.set $config (call $room (i32.const 1024))) ;; a PyConfig, which is smaller
  (call $PyConfig_InitPythonConfig (local.get $config))
  (call $PyConfig_SetBytesArgv (local.get $status) (local.get $config) (call $arguments))
  (call $good (local.get $status))
  (call $Py_InitializeFromConfig (local.get $status) (local.get $config))
  (call $good (local.get $status))
  (call $PyConfig_Clear (local.get $config)))

(func (export "before")
  (call $resolve)
  (call $emscripten_stack_init)
  (call $prepare_python))

(data $code "%STARTED%\00")

;; `sys.argv` and what main works with: PyConfig.argv, of 3.14.
(func $set_arguments (param $status i32) (param $config i32) (param $argc i32) (param $argv i32)
  (call $PyConfig_SetBytesArgv (local.get $status) (local.get $config) (local.get $argc) (local.get $argv))
  (call $good (local.get $status))
  (call $PySys_SetArgvEx (i32.load $memory offset=92 (local.get $config)) (i32.load $memory offset=96 (local.get $config)) (i32.const 0)))

;; The code after -c ends with a line.
(func $line (param $text i32) (result i32)
  (local $len i32) (local $line i32)
  (local.set $len (call $strlen (local.get $text)))
  (local.set $line (call $room (i32.add (local.get $len) (i32.const 2))))
  (memory.copy $memory $memory (local.get $line) (local.get $text) (local.get $len))
  (i32.store16 $memory (i32.add (local.get $line) (local.get $len)) (i32.const 10))
  (local.get $line))

(func (export "run")
  (local $status i32) (local $config i32) (local $code i32) (local $argc i32) (local $argv i32) (local $word i32)
  (call $__emscripten_environ_constructor)
  (local.set $status (call $room (i32.const 16)))
  (local.set $config (call $_Py_GetConfig))
  (call $arguments)
  (local.set $argv)
  (local.set $argc)
  (call $set_arguments (local.get $status) (local.get $config) (local.get $argc) (local.get $argv))
  (local.set $code (call $room (i32.const %STARTED_LEN%)))
  (memory.init $memory $code (local.get $code) (i32.const 0) (i32.const %STARTED_LEN%))
  (if (call $PyRun_SimpleString (local.get $code)) (then (call $abort)))
  ;; -c CODE, -m MODULE, - or a script, which stand first; then their own arguments. What runs is PyConfig's run_command, run_module or run_filename.
  (local.set $word (i32.load $memory offset=4 (local.get $argv)))
  (local.set $argv (i32.add (local.get $argv) (i32.const 4)))
  (local.set $argc (i32.sub (local.get $argc) (i32.const 1)))
  (block $said
    (if (i32.eq (i32.load16_u $memory (local.get $word)) (i32.const 0x2d)) (then (br $said)))
    (if (i32.eq (i32.load16_u $memory (local.get $word)) (i32.const 0x632d))
      (then
        (call $PyConfig_SetBytesString (local.get $status) (local.get $config) (i32.add (local.get $config) (i32.const 268))
          (call $line (i32.load $memory offset=4 (local.get $argv))))))
    (if (i32.eq (i32.load16_u $memory (local.get $word)) (i32.const 0x6d2d))
      (then
        (call $PyConfig_SetBytesString (local.get $status) (local.get $config) (i32.add (local.get $config) (i32.const 272))
          (i32.load $memory offset=4 (local.get $argv)))))
    (if (i32.eq (i32.load8_u $memory (local.get $word)) (i32.const 0x2d))
      (then
        (i32.store $memory offset=4 (local.get $argv) (local.get $word))
        (local.set $argv (i32.add (local.get $argv) (i32.const 4)))
        (local.set $argc (i32.sub (local.get $argc) (i32.const 1)))
        (br $said)))
    (call $PyConfig_SetBytesString (local.get $status) (local.get $config) (i32.add (local.get $config) (i32.const 276)) (local.get $word)))
  (call $good (local.get $status))
  (call $set_arguments (local.get $status) (local.get $config) (local.get $argc) (local.get $argv))
  (call $exit (call $Py_RunMain)))
