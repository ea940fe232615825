(tag $longjmp)
(func $_emscripten_throw_longjmp (throw $longjmp))
