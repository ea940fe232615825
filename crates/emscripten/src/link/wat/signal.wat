(func $__call_sighandler (param $handler i32) (param $signal i32)
  (call_indirect $table (param i32) (local.get $signal) (local.get $handler)))
