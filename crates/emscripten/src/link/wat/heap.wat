;; Grows the memory to at least $wanted bytes, by a fifth or 96 MiB at once where that can be had, so that many small wishes become few steps.
(func $emscripten_resize_heap (param $wanted i32) (result i32)
  (local $pages i32) (local $missing i32) (local $step i32)
  (local.set $pages (memory.size $memory))
  (local.set $missing
    (i32.sub
      (i32.add (i32.shr_u (local.get $wanted) (i32.const 16)) (i32.ne (i32.and (local.get $wanted) (i32.const 0xffff)) (i32.const 0)))
      (local.get $pages)))
  (if (i32.le_s (local.get $missing) (i32.const 0)) (then (return (i32.const 1))))
  (local.set $step (i32.div_u (local.get $pages) (i32.const 5)))
  (if (i32.gt_u (local.get $step) (i32.const 1536)) (then (local.set $step (i32.const 1536))))
  (if (i32.gt_u (local.get $step) (local.get $missing))
    (then (if (i32.ge_s (memory.grow $memory (local.get $step)) (i32.const 0)) (then (return (i32.const 1))))))
  (i32.ge_s (memory.grow $memory (local.get $missing)) (i32.const 0)))

(func $emscripten_get_heap_max (result i32) (i32.const %HEAP_MAX%))
