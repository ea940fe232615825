;; Room that is the guest's for the rest of its life.
(func $room (param $bytes i32) (result i32)
  (local $at i32)
  (local.set $at (call $malloc (local.get $bytes))) ;; if malloc
  (local.set $at (call $_emscripten_stack_alloc (local.get $bytes))) ;; if _emscripten_stack_alloc and not malloc
  (local.set $at (call $stackAlloc (local.get $bytes))) ;; if stackAlloc and not malloc and not _emscripten_stack_alloc
  (if (i32.eqz (local.get $at)) (then (call $abort)))
  (local.get $at))

;; The arguments, as main takes them.
(func $arguments (result i32 i32)
  (local $sizes i32) (local $argc i32) (local $argv i32)
  (local.set $sizes (call $room (i32.const 8)))
  (drop (call $args_sizes_get (local.get $sizes) (i32.add (local.get $sizes) (i32.const 4))))
  (local.set $argc (i32.load $memory (local.get $sizes)))
  (local.set $argv (call $room (i32.mul (i32.add (local.get $argc) (i32.const 1)) (i32.const 4))))
  (drop (call $args_get (local.get $argv) (call $room (i32.load $memory offset=4 (local.get $sizes)))))
  (i32.store $memory (i32.add (local.get $argv) (i32.mul (local.get $argc) (i32.const 4))) (i32.const 0))
  (local.get $argc)
  (local.get $argv))

(func (export "_start")
  (call $resolve)
  (drop (call $errno_at (call $__errno_location))) ;; if __errno_location
  (call $__wasm_call_ctors) ;; if __wasm_call_ctors
  (call $prepare_python) ;; if python
  (call $exit
    (call $run_micropython) ;; if micropython
    (call $Py_BytesMain (call $arguments)) ;; if python
    (call $main (call $arguments)) ;; if main with arguments
    (call $main) ;; if main without arguments
    (call $__main_argc_argv (call $arguments)) ;; if __main_argc_argv with arguments and not main
    ))
