;; A module that was built without its exit functions can never flush, so its standard output must be written line by line. Its C library does
;; that for a terminal, which it takes descriptor 1 to be when the size of the window can be had.
(func $__syscall_ioctl (param $fd i32) (param $op i32) (param $varargs i32) (result i32)
  (if (i32.and (i32.eq (local.get $fd) (i32.const 1)) (i32.eq (local.get $op) (i32.const 0x5413))) (then (return (i32.const 0)))) ;; TIOCGWINSZ
  (call $ioctl (local.get $fd) (local.get $op) (local.get $varargs)))
