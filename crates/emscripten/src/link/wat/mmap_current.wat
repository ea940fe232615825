(func $_mmap_js (param $len i32) (param $prot i32) (param $flags i32) (param $fd i32) (param $offset i64) (param $allocated i32) (param $addr i32)
  (result i32)
  (local $at i32)
  (local.set $at (call $map (local.get $len) (local.get $prot) (local.get $flags) (local.get $fd) (local.get $offset)))
  (if (call $is_error (local.get $at)) (then (return (local.get $at))))
  (i32.store $memory (local.get $allocated) (i32.const 1))
  (i32.store $memory (local.get $addr) (local.get $at))
  (i32.const 0))

(func $_munmap_js (param $at i32) (param $len i32) (param $prot i32) (param $flags i32) (param $fd i32) (param $offset i64) (result i32)
  (call $munmap (local.get $at) (local.get $len)))

(func $_msync_js (param $at i32) (param $len i32) (param $prot i32) (param $flags i32) (param $fd i32) (param $offset i64) (result i32)
  (call $msync (local.get $at) (local.get $len)))
