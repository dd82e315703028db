//! Each function over a slice: `out[i] = f(x[i])`, up to the shorter length.

use super::Real;
use crate::isa::vectorized;

macro_rules! slices {
    ($($(#[$doc:meta])* $name:ident = $body:ident),* $(,)?) => {
        $(
            #[inline(always)]
            fn $body<T: Real, const FMA: bool>(x: &[T], out: &mut [T]) {
                for (o, x) in out.iter_mut().zip(x) {
                    *o = x.$name::<FMA>();
                }
            }
            vectorized!($(#[$doc])* pub fn $name<T: Real>(x: &[T], out: &mut [T]) = $body);
        )*
    };
}

slices! {
    /// eˣ
    exp = exp_body,
    /// log x
    log = log_body,
    /// log(1 + x)
    log1p = log1p_body,
    /// eˣ − 1
    expm1 = expm1_body,
    /// tanh x
    tanh = tanh_body,
    /// 1/(1 + e⁻ˣ)
    sigmoid = sigmoid_body,
    /// log(1 + eˣ)
    softplus = softplus_body,
    /// sin x
    sin = sin_body,
    /// cos x
    cos = cos_body,
    /// log |Γ(x)|
    log_gamma = log_gamma_body,
    /// ψ(x)
    digamma = digamma_body,
}
