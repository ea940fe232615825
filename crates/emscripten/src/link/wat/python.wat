(type $call_3 (func (param i32 i32 i32) (result i32)))
(type $call_2 (func (param i32 i32) (result i32)))
(type $call_1 (func (param i32) (result i32)))
(type $call_0 (func (result i32)))

;; CPython calls functions with more arguments than they take, which C allows and wasm does not: this one drops what is too much.
(func $trampoline (param $success i32) (param $f i32) (param $self i32) (param $args i32) (param $kw i32) (result i32)
  (local $target funcref)
  (local.set $target (table.get $table (local.get $f)))
  (if (ref.test (ref $call_3) (local.get $target))
    (then (return (call_ref $call_3 (local.get $self) (local.get $args) (local.get $kw) (ref.cast (ref $call_3) (local.get $target))))))
  (if (ref.test (ref $call_2) (local.get $target))
    (then (return (call_ref $call_2 (local.get $self) (local.get $args) (ref.cast (ref $call_2) (local.get $target))))))
  (if (ref.test (ref $call_1) (local.get $target))
    (then (return (call_ref $call_1 (local.get $self) (ref.cast (ref $call_1) (local.get $target))))))
  (if (ref.test (ref $call_0) (local.get $target))
    (then (return (call_ref $call_0 (ref.cast (ref $call_0) (local.get $target))))))
  (i32.store $memory (local.get $success) (i32.const 0))
  (i32.const 0))
(elem declare func $trampoline)

;; The same for a CPython that was told of no trampoline, or before it is.
(func $_PyEM_TrampolineCall_JS (param $f i32) (param $self i32) (param $args i32) (param $kw i32) (result i32)
  (call $trampoline (global.get $_PyRuntime) (local.get $f) (local.get $self) (local.get $args) (local.get $kw)))

;; Tells CPython where the trampoline is, and that its stack ends sooner than it does: the engine's own stack, which it cannot see, runs out
;; before the 10 MiB in the guest's memory, and then there is no RecursionError but a trap.
(func $prepare_python
  (local $slot i32) (local $base i32)
  (local.set $slot (table.grow $table (ref.func $trampoline) (i32.const 1)))
  (if (i32.ne (local.get $slot) (i32.const -1))
    (then
      (i32.store $memory
        (i32.add (global.get $_PyRuntime) (i32.load $memory (global.get $_PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET)))
        (local.get $slot))))
  (local.set $base (call $emscripten_stack_get_base))
  (call $emscripten_stack_set_limits (local.get $base) (i32.sub (local.get $base) (i32.const %PYTHON_STACK%))))
