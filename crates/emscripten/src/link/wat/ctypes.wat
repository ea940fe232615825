;; Functions called by a description of their type, and functions made of Python's. JavaScript writes a function for each type; what is written here
;; beforehand are calls of numbers of 32 bits and addresses. What goes beyond that says so, in the one way that ctypes lets through to Python.
%FFI_TYPES%
(data $no_call "a function of this type cannot be called without JavaScript (env.ffi_call_js)\00")
(data $no_closure "a callback cannot be made without JavaScript (env.ffi_prep_closure_loc_js)\00")

;; What kind of number libffi's type is.
(func $ffi_kind (param $type i32) (result i32) (i32.load16_u $memory offset=6 (local.get $type)))

;; Whether it is one of 32 bits at most, an address among them.
(func $ffi_is_small (param $kind i32) (result i32)
  (i32.and
    (i32.le_u (local.get $kind) (i32.const 14))
    (i32.and (i32.shr_u (i32.const 0x47e2) (local.get $kind)) (i32.const 1))))

;; Argument number $i of a call.
(func $ffi_argument (param $cif i32) (param $values i32) (param $i i32) (result i32)
  (local $at i32) (local $kind i32)
  (local.set $i (i32.shl (local.get $i) (i32.const 2)))
  (local.set $at (i32.load $memory (i32.add (local.get $values) (local.get $i))))
  (local.set $kind (call $ffi_kind (i32.load $memory (i32.add (i32.load $memory offset=8 (local.get $cif)) (local.get $i)))))
  (if (i32.eq (local.get $kind) (i32.const 5)) (then (return (i32.load8_u $memory (local.get $at)))))
  (if (i32.eq (local.get $kind) (i32.const 6)) (then (return (i32.load8_s $memory (local.get $at)))))
  (if (i32.eq (local.get $kind) (i32.const 7)) (then (return (i32.load16_u $memory (local.get $at)))))
  (if (i32.eq (local.get $kind) (i32.const 8)) (then (return (i32.load16_s $memory (local.get $at)))))
  (i32.load $memory (local.get $at)))

;; Whether all arguments of a call are such numbers, and none is of the variable ones.
(func $ffi_are_small (param $cif i32) (result i32)
  (local $i i32) (local $count i32)
  (local.set $count (i32.load $memory offset=4 (local.get $cif)))
  (if (i32.ne (i32.load $memory offset=24 (local.get $cif)) (local.get $count)) (then (return (i32.const 0))))
  (loop $next
    (if (i32.eq (local.get $i) (local.get $count)) (then (return (i32.const 1))))
    (if (i32.eqz
          (call $ffi_is_small
            (call $ffi_kind
              (i32.load $memory
                (i32.add (i32.load $memory offset=8 (local.get $cif)) (i32.shl (local.get $i) (i32.const 2)))))))
      (then (return (i32.const 0))))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br $next))
  (unreachable))

;; Calls the function whose arguments are all small; answers whether its type is one of those below.
(func $ffi_call_small (param $cif i32) (param $f i32) (param $result i32) (param $values i32) (result i32)
  (local $target funcref) (local $count i32) (local $kind i32) (local $answer i32)
  (if (i32.ge_u (local.get $f) (table.size $table)) (then (return (i32.const 0))))
  (local.set $target (table.get $table (local.get $f)))
  (local.set $count (i32.load $memory offset=4 (local.get $cif)))
  (local.set $kind (call $ffi_kind (i32.load $memory offset=12 (local.get $cif))))
  (block $answered
    (if (i32.eqz (local.get $kind))
      (then
%FFI_VOID%
        (return (i32.const 0))))
    (if (i32.eqz (call $ffi_is_small (local.get $kind))) (then (return (i32.const 0))))
%FFI_NUMBER%
    (return (i32.const 0)))
  (if (i32.le_u (i32.sub (local.get $kind) (i32.const 5)) (i32.const 1))
    (then (i32.store8 $memory (local.get $result) (local.get $answer)) (return (i32.const 1))))
  (if (i32.le_u (i32.sub (local.get $kind) (i32.const 7)) (i32.const 1))
    (then (i32.store16 $memory (local.get $result) (local.get $answer)) (return (i32.const 1))))
  (i32.store $memory (local.get $result) (local.get $answer))
  (i32.const 1))

;; ctypes lets go of the interpreter around a call, and looks for no error behind it: Python finds the one that is set here.
(func $ffi_call_js (param $cif i32) (param $f i32) (param $result i32) (param $values i32)
  (local $at i32) (local $state i32)
  (if (call $ffi_are_small (local.get $cif))
    (then
      (if (call $ffi_call_small (local.get $cif) (local.get $f) (local.get $result) (local.get $values)) (then (return)))))
  (local.set $at (call $malloc (i32.const 128)))
  (if (i32.eqz (local.get $at)) (then (unreachable)))
  (memory.init $memory $no_call (local.get $at) (i32.const 0) (i32.const 78))
  (local.set $state (call $PyGILState_Ensure))
  (call $PyErr_SetString (i32.load $memory (global.get $PyExc_NotImplementedError)) (local.get $at))
  (call $PyGILState_Release (local.get $state))
  (call $free (local.get $at)))

;; ctypes makes one when it is imported, and gives it back.
(func $ffi_closure_alloc_js (param $size i32) (param $code i32) (result i32)
  (i32.store $memory (local.get $code) (i32.const 0))
  (call $malloc (local.get $size)))

(func $ffi_closure_free_js (param $closure i32) (call $free (local.get $closure)))

;; FFI_BAD_ABI. ctypes makes an error of that which tells the number alone, so that the reason is a warning.
(func $ffi_prep_closure_loc_js (param $closure i32) (param $cif i32) (param $f i32) (param $data i32) (param $code i32) (result i32)
  (local $at i32)
  (local.set $at (call $malloc (i32.const 128)))
  (if (i32.eqz (local.get $at)) (then (return (i32.const 2))))
  (memory.init $memory $no_closure (local.get $at) (i32.const 0) (i32.const 75))
  (drop (call $PyErr_WarnEx (i32.load $memory (global.get $PyExc_RuntimeWarning)) (local.get $at) (i32.const 1)))
  (call $free (local.get $at))
  (i32.const 2))
