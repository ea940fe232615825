;; Called when the guest has ended, however it did.
(export "sync_mappings" (func $sync_mappings))

;; A mapping of a file is memory of the guest's own that the host fills now and writes back later.
(func $map (param $len i32) (param $prot i32) (param $flags i32) (param $fd i32) (param $offset i64) (result i32)
  (local $at i32) (local $failed i32)
  (local.set $at (call $emscripten_builtin_memalign (i32.const 65536) (local.get $len)))
  (if (i32.eqz (local.get $at)) (then (return (i32.const -48)))) ;; ENOMEM
  (local.set $failed
    (call $mmap (local.get $at) (local.get $len) (local.get $prot) (local.get $flags) (local.get $fd) (local.get $offset)))
  (if (i32.eqz (local.get $failed)) (then (return (local.get $at))))
  (call $emscripten_builtin_free (local.get $at)) ;; if emscripten_builtin_free
  (call $free (local.get $at)) ;; if free and not emscripten_builtin_free
  (local.get $failed))

;; Whether what $map answered is an error: the last page of the address space is never a mapping.
(func $is_error (param $at i32) (result i32) (i32.gt_u (local.get $at) (i32.const -4096)))
