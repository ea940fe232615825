;; 3.1.6 has room made for the names of the zone's standard and summer time.
(global $names (mut i32) (i32.const 0))
(func $_tzset_js (param $timezone i32) (param $daylight i32) (param $tzname i32)
  (if (i32.eqz (global.get $names)) (then (global.set $names (call $malloc (i32.const 64)))))
  (if (i32.eqz (global.get $names)) (then (return)))
  (call $tzset (local.get $timezone) (local.get $daylight) (global.get $names) (i32.add (global.get $names) (i32.const 32)))
  (i32.store $memory (local.get $tzname) (global.get $names))
  (i32.store $memory offset=4 (local.get $tzname) (i32.add (global.get $names) (i32.const 32))))
