;; Ends the guest as C's exit does: its exit functions in their order, then its buffers, then the process.
(func $exit (param $code i32)
  (call $__funcs_on_exit) ;; if __funcs_on_exit
  (call $__stdio_exit) ;; if __stdio_exit
  (drop (call $fflush (i32.const 0))) ;; if fflush
  (call $proc_exit (local.get $code)))
