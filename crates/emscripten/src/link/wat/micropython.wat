;; MicroPython has no main: its JavaScript calls it piece by piece. This does the same for the command line.
(func $run_micropython (result i32)
  (local $code i32)
  (call $mp_js_init (i32.const 65536) (i32.const 16777216))
  (call $proxy_c_init)
  (local.set $code (call $execute (i32.const 0)))
  (if (local.get $code) (then (return (local.get $code))))
  (call $execute (i32.const 1)))

;; Runs a part of what the command line names: 0 sets sys.argv, 1 is the program. Answers an exit code.
(func $execute (param $part i32) (result i32)
  (local $length i32) (local $source i32)
  (local.set $length (call $micropython_source (local.get $part) (i32.const 0) (i32.const 0)))
  (if (i32.eq (local.get $length) (i32.const -52)) (then (return (call $prompt)))) ;; ENOSYS
  (if (i32.eq (local.get $length) (i32.const -59)) (then (return (call $run_stdin)))) ;; ENOTTY
  (if (i32.lt_s (local.get $length) (i32.const 0)) (then (return (i32.const 2))))
  (local.set $source (call $room (i32.add (local.get $length) (i32.const 1))))
  (drop (call $micropython_source (local.get $part) (local.get $source) (local.get $length)))
  (call $run_source (local.get $source) (local.get $length)))

(func $run_source (param $source i32) (param $length i32) (result i32)
  (local $result i32)
  (local.set $result (call $room (i32.const 12)))
  (call $mp_js_do_exec (local.get $source) (local.get $length) (local.get $result))
  ;; Three words: a kind, and for an exception the length and the address of its text.
  (if (i32.ne (i32.load $memory (local.get $result)) (i32.const -1)) (then (return (i32.const 0))))
  (call $micropython_raised (i32.load $memory offset=8 (local.get $result)) (i32.load $memory offset=4 (local.get $result))))

;; Runs the whole of standard input, read into room that doubles when it is full.
(func $run_stdin (result i32)
  (local $at i32) (local $source i32) (local $length i32) (local $size i32) (local $larger i32) (local $error i32)
  (local.set $at (call $room (i32.const 12)))
  (local.set $size (i32.const 65536))
  (local.set $source (call $room (local.get $size)))
  (loop $more
    (if (i32.eq (local.get $length) (local.get $size)) (then
      (if (i32.ge_u (local.get $size) (i32.const 16777216)) (then (return (call $unread (i32.const 22))))) ;; EFBIG
      (local.set $larger (call $room (i32.mul (local.get $size) (i32.const 2))))
      (memory.copy (local.get $larger) (local.get $source) (local.get $length))
      (local.set $source (local.get $larger))
      (local.set $size (i32.mul (local.get $size) (i32.const 2)))))
    (i32.store $memory (local.get $at) (i32.add (local.get $source) (local.get $length)))
    (i32.store $memory offset=4 (local.get $at) (i32.sub (local.get $size) (local.get $length)))
    (local.set $error (call $fd_read (i32.const 0) (local.get $at) (i32.const 1) (i32.add (local.get $at) (i32.const 8))))
    (if (local.get $error) (then (return (call $unread (local.get $error)))))
    (local.set $length (i32.add (local.get $length) (i32.load $memory offset=8 (local.get $at))))
    (br_if $more (i32.load $memory offset=8 (local.get $at))))
  (local.set $size (call $micropython_wrapped (local.get $source) (local.get $length) (i32.const 0) (i32.const 0)))
  (if (i32.lt_s (local.get $size) (i32.const 0)) (then (return (call $unread (i32.const 48))))) ;; ENOMEM
  (local.set $larger (call $room (i32.add (local.get $size) (i32.const 1))))
  (drop (call $micropython_wrapped (local.get $source) (local.get $length) (local.get $larger) (local.get $size)))
  (call $run_source (local.get $larger) (local.get $size)))

;; Says why standard input is not read, and answers the exit code.
(func $unread (param $error i32) (result i32)
  (drop (call $micropython_unread (local.get $error)))
  (i32.const 2))

;; Feeds standard input to the prompt, a byte at a time, until it ends or the prompt does.
(func $prompt (result i32)
  (local $at i32) (local $byte i32) (local $last i32) (local $answer i32) (local $error i32)
  (local.set $at (call $room (i32.const 16)))
  (i32.store $memory (local.get $at) (i32.add (local.get $at) (i32.const 8)))
  (i32.store $memory offset=4 (local.get $at) (i32.const 1))
  (call $mp_js_repl_init)
  (loop $more
    (local.set $error (call $fd_read (i32.const 0) (local.get $at) (i32.const 1) (i32.add (local.get $at) (i32.const 12))))
    (if (local.get $error) (then (return (call $unread (local.get $error)))))
    (if (i32.eqz (i32.load $memory offset=12 (local.get $at))) (then (return (i32.const 0))))
    (local.set $last (local.get $byte))
    (local.set $byte (i32.load8_u $memory offset=8 (local.get $at)))
    ;; It is the carriage return that ends a line, and the line feed behind one is none of its own.
    (if (i32.eq (local.get $byte) (i32.const 10)) (then
      (br_if $more (i32.eq (local.get $last) (i32.const 13)))
      (local.set $byte (i32.const 13))))
    (local.set $answer (call $mp_js_repl_process_char (local.get $byte)))
    (br_if $more (i32.eqz (i32.and (i32.const 0x100) (local.get $answer)))))
  (i32.and (local.get $answer) (i32.const 0xff)))
