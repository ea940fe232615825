/// Declares a set of flags as a guest passes them: a [`Slot`](crate::Slot) that refuses bits it does not know with `EINVAL` and shows
/// itself by name. With `ignoring unknown` bits it does not know are
/// dropped instead, and it shows itself as a number.
#[macro_export]
macro_rules! flags {
    ($(#[$doc:meta])* $vis:vis struct $name:ident($wasm:ty) { $($flag:ident = $bit:expr,)* }) => {
        $crate::flags! { @ from_bits name, $(#[$doc])* $vis struct $name($wasm) { $($flag = $bit,)* } }
    };
    ($(#[$doc:meta])* $vis:vis struct $name:ident($wasm:ty) ignoring unknown { $($flag:ident = $bit:expr,)* }) => {
        $crate::flags! { @ from_known_bits hex, $(#[$doc])* $vis struct $name($wasm) { $($flag = $bit,)* } }
    };
    (@ $lift:ident $show:ident, $(#[$doc:meta])* $vis:vis struct $name:ident($wasm:ty) { $($flag:ident = $bit:expr,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        $vis struct $name($wasm);

        impl $name {
            $(#[doc = concat!("`", stringify!($flag), "`")] pub const $flag: Self = Self($bit);)*
            /// Every flag there is.
            pub const ALL: Self = Self($($bit |)* 0);

            /// Exactly these bits.
            ///
            /// # Errors
            /// `EINVAL` when one of them is unknown.
            #[inline]
            pub const fn from_bits(bits: $wasm) -> $crate::__stratafs::Result<Self> {
                if bits & !Self::ALL.0 == 0 { Ok(Self(bits)) } else { Err($crate::__stratafs::Errno::EINVAL) }
            }

            /// Those of these bits that are known.
            ///
            /// # Errors
            /// None.
            #[inline]
            pub const fn from_known_bits(bits: $wasm) -> $crate::__stratafs::Result<Self> {
                Ok(Self(bits & Self::ALL.0))
            }

            /// The bits.
            #[must_use]
            pub const fn bits(self) -> $wasm {
                self.0
            }

            /// Whether all of `other` are set.
            #[must_use]
            pub const fn has(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether one of `other` is set.
            #[must_use]
            pub const fn has_any(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Both.
            #[must_use]
            pub const fn and(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Without `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Appends the number.
            pub fn hex(self, out: &mut String) {
                out.push_str(&format!("{:#x}", self.0));
            }

            /// Appends the names of the flags that are set, or 0.
            pub fn name(self, out: &mut String) {
                let before = out.len();
                $(if self.0 & $bit != 0 {
                    if out.len() > before {
                        out.push('|');
                    }
                    out.push_str(stringify!($flag));
                })*
                let left = self.0 & !Self::ALL.0;
                if left != 0 || out.len() == before {
                    if out.len() > before {
                        out.push('|');
                    }
                    out.push_str(&if left == 0 { String::from("0") } else { format!("{left:#x}") });
                }
            }
        }

        impl $crate::Slot for $name {
            type Wasm = $wasm;

            #[inline]
            fn lift(raw: $wasm) -> $crate::__stratafs::Result<Self> {
                Self::$lift(raw)
            }

            fn show(self, _: $crate::View<'_>, out: &mut String) {
                self.$show(out);
            }
        }
    };
}
