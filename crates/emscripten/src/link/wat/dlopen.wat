;; Code that is loaded later would need a linker of its own. The C library is told so, and tells its caller: dlerror() names the import.
(data $no_dlopen "dynamic linking is not provided here (env._dlopen_js)\00")
(func $refuse (result i32)
  (local $at i32)
  (local.set $at (call $malloc (i32.const 64)))
  (if (i32.eqz (local.get $at)) (then (return (i32.const 0))))
  (memory.init $memory $no_dlopen (local.get $at) (i32.const 0) (i32.const 54))
  (call $__dl_seterr (local.get $at) (i32.const 0))
  (call $free (local.get $at))
  (i32.const 0))

(func $_dlopen_js (param $handle i32) (result i32) (call $refuse))
(func $_dlsym_js (param $handle i32) (param $symbol i32) (param $index i32) (result i32) (call $refuse))
