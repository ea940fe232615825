(func $_mmap_js (param $addr i32) (param $len i32) (param $prot i32) (param $flags i32) (param $fd i32) (param $offset i32) (param $allocated i32)
  (result i32)
  (local $at i32)
  (local.set $at (call $map (local.get $len) (local.get $prot) (local.get $flags) (local.get $fd) (i64.extend_i32_s (local.get $offset))))
  (if (call $is_error (local.get $at)) (then (return (local.get $at))))
  (i32.store $memory (local.get $allocated) (i32.const 1))
  (local.get $at))

(func $_munmap_js (param $at i32) (param $len i32) (param $prot i32) (param $flags i32) (param $fd i32) (param $offset i32) (result i32)
  (call $munmap (local.get $at) (local.get $len)))

(func $_msync_js (param $at i32) (param $len i32) (param $flags i32) (param $fd i32) (result i32)
  (call $msync (local.get $at) (local.get $len)))
