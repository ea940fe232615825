;; What is found lies in two pieces of the guest's own memory, as its freeaddrinfo frees both.
(func $getaddrinfo (param $node i32) (param $service i32) (param $hint i32) (param $out i32) (result i32)
  (local $at i32) (local $address i32) (local $failed i32)
  (local.set $at (call $malloc (i32.const 32)))
  (local.set $address (call $malloc (i32.const 16)))
  (if (i32.or (i32.eqz (local.get $at)) (i32.eqz (local.get $address))) (then (return (i32.const -10)))) ;; EAI_MEMORY
  (local.set $failed (call $addrinfo (local.get $node) (local.get $service) (local.get $hint) (local.get $at) (local.get $address)))
  (if (local.get $failed)
    (then
      (call $free (local.get $at))
      (call $free (local.get $address))
      (return (local.get $failed))))
  (i32.store $memory (local.get $out) (local.get $at))
  (i32.const 0))
