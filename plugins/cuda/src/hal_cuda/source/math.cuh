// The functions of hal's elementwise operators on real numbers, with NumPy's meaning.

template <class T> __device__ inline bool is_nan(T x) { return x != x; }
template <class T> __device__ inline bool is_nan(complex<T> x) { return x.re != x.re || x.im != x.im; }
__device__ inline bool is_inf(f32 x) { return (f32_bits(x) & 0x7fffffffu) == 0x7f800000u; }
__device__ inline bool is_inf(f64 x) {
  return (f64_bits(x) & 0x7fffffffffffffffull) == 0x7ff0000000000000ull;
}
template <class T> __device__ inline bool is_inf(T) { return false; }
template <class T> __device__ inline bool is_inf(complex<T> x) { return is_inf(x.re) || is_inf(x.im); }
template <class T> __device__ inline bool is_finite(T x) { return !is_nan(x) && !is_inf(x); }
__device__ inline bool sign_bit(f32 x) { return f32_bits(x) >> 31; }
__device__ inline bool sign_bit(f64 x) { return f64_bits(x) >> 63; }

// One name for float and double; integers never get here.
#define HAL_UNARY(NAME, FUNCTION)                                   \
  __device__ inline f32 m_##NAME(f32 x) { return FUNCTION##f(x); } \
  __device__ inline f64 m_##NAME(f64 x) { return FUNCTION(x); }
#define HAL_BINARY(NAME, FUNCTION)                                            \
  __device__ inline f32 m_##NAME(f32 x, f32 y) { return FUNCTION##f(x, y); } \
  __device__ inline f64 m_##NAME(f64 x, f64 y) { return FUNCTION(x, y); }
HAL_UNARY(exp, exp)
HAL_UNARY(expm1, expm1)
HAL_UNARY(log, log)
HAL_UNARY(log1p, log1p)
HAL_UNARY(log2, log2)
HAL_UNARY(log10, log10)
HAL_UNARY(sqrt, sqrt)
HAL_UNARY(sin, sin)
HAL_UNARY(cos, cos)
HAL_UNARY(tan, tan)
HAL_UNARY(asin, asin)
HAL_UNARY(acos, acos)
HAL_UNARY(atan, atan)
HAL_UNARY(sinh, sinh)
HAL_UNARY(cosh, cosh)
HAL_UNARY(tanh, tanh)
HAL_UNARY(asinh, asinh)
HAL_UNARY(acosh, acosh)
HAL_UNARY(atanh, atanh)
HAL_UNARY(erf, erf)
HAL_UNARY(abs_float, fabs)
HAL_UNARY(floor_float, floor)
HAL_UNARY(ceil_float, ceil)
HAL_UNARY(trunc_float, trunc)
HAL_UNARY(round_float, rint)
HAL_BINARY(pow_float, pow)
HAL_BINARY(atan2, atan2)
HAL_BINARY(hypot, hypot)
HAL_BINARY(copysign, copysign)
HAL_BINARY(mod_float, fmod)

template <class T> struct Real { static const bool floating = false, is_signed = T(-1) < T(0); };
template <> struct Real<bool> { static const bool floating = false, is_signed = false; };
template <> struct Real<f32> { static const bool floating = true, is_signed = true; };
template <> struct Real<f64> { static const bool floating = true, is_signed = true; };

__device__ inline f32 m_abs(f32 x) { return m_abs_float(x); }
__device__ inline f64 m_abs(f64 x) { return m_abs_float(x); }
template <class T> __device__ inline T m_abs(T x) {
  if constexpr (Real<T>::is_signed) return x < T(0) ? (T)(T(0) - x) : x;
  else return x;
}
template <class T> __device__ inline T m_sign(T x) {
  if (is_nan(x)) return x;
  if constexpr (Real<T>::is_signed) return (T)((x > T(0)) - (x < T(0)));
  else return (T)(x > T(0));
}
template <class T> __device__ inline T m_negative(T x) {
  if constexpr (Real<T>::floating) return -x;
  else return (T)(T(0) - x);
}
template <class T> __device__ inline T m_floor(T x) {
  if constexpr (Real<T>::floating) return m_floor_float(x);
  else return x;
}
template <class T> __device__ inline T m_ceil(T x) {
  if constexpr (Real<T>::floating) return m_ceil_float(x);
  else return x;
}
template <class T> __device__ inline T m_trunc(T x) {
  if constexpr (Real<T>::floating) return m_trunc_float(x);
  else return x;
}
template <class T> __device__ inline T m_round(T x) {
  if constexpr (Real<T>::floating) return m_round_float(x);
  else return x;
}
template <class T> __device__ inline T m_rsqrt(T x) { return T(1) / m_sqrt(x); }

template <class T> __device__ inline T m_maximum(T x, T y) {
  return is_nan(x) || x > y ? x : y;
}
template <class T> __device__ inline T m_minimum(T x, T y) {
  return is_nan(x) || x < y ? x : y;
}

// The order of sorting: NaN stands behind every number.
template <class V> __device__ inline bool sorts_before(V a, V b) {
  if (is_nan(a)) return false;
  return is_nan(b) || a < b;
}

// The remainder has the sign of the divisor; the quotient is rounded down.
template <class T> __device__ inline T m_remainder(T x, T y) {
  if constexpr (Real<T>::floating) {
    T r = m_mod_float(x, y);
    if (y == T(0) || is_nan(r)) return r;
    if (r == T(0)) return m_copysign(T(0), y);
    return (y < T(0)) != (r < T(0)) ? r + y : r;
  } else {
    if (y == T(0)) return T(0);
    if constexpr (Real<T>::is_signed) {
      if (y == T(-1)) return T(0);
      T r = (T)(x % y);
      return r != T(0) && (r < T(0)) != (y < T(0)) ? (T)(r + y) : r;
    } else {
      return (T)(x % y);
    }
  }
}
template <class T> __device__ inline T m_floor_divide(T x, T y) {
  if constexpr (Real<T>::floating) {
    if (y == T(0) || is_inf(x) || is_inf(y)) return m_floor_float(x / y);
    T r = m_mod_float(x, y);
    T quotient = (x - r) / y;
    if (r != T(0) && (y < T(0)) != (r < T(0))) quotient -= T(1);
    if (quotient == T(0)) return m_copysign(T(0), x / y);
    T low = m_floor_float(quotient);
    return quotient - low > T(0.5) ? low + T(1) : low;
  } else {
    if (y == T(0)) return T(0);
    if constexpr (Real<T>::is_signed) {
      if (y == T(-1)) return (T)(T(0) - x);
      T quotient = (T)(x / y);
      return x % y != 0 && (x < T(0)) != (y < T(0)) ? (T)(quotient - 1) : quotient;
    } else {
      return (T)(x / y);
    }
  }
}

// An integer to a negative power is the true quotient rounded towards zero.
template <class T> __device__ inline T m_power(T x, T y) {
  if constexpr (Real<T>::floating) {
    return m_pow_float(x, y);
  } else {
    if constexpr (Real<T>::is_signed) {
      if (y < T(0)) return x == T(1) ? T(1) : x == T(-1) ? (y % 2 ? T(-1) : T(1)) : T(0);
    }
    T result = 1, base = x;
    for (u64 n = (u64)y; n; n >>= 1) {
      if (n & 1) result = (T)(result * base);
      base = (T)(base * base);
    }
    return result;
  }
}
template <class T> __device__ inline T m_logaddexp(T x, T y) {
  if (x == y) return x + T(0.693147180559945309417232121458);
  T difference = x - y;
  if (difference > T(0)) return x + m_log1p(m_exp(-difference));
  if (difference <= T(0)) return y + m_log1p(m_exp(difference));
  return difference;
}
template <class T> __device__ inline T m_left_shift(T x, T y) {
  return (u64)y < sizeof(T) * 8 ? (T)((u64)x << (u64)y) : T(0);
}
template <class T> __device__ inline T m_right_shift(T x, T y) {
  return (u64)y < sizeof(T) * 8 ? (T)(x >> y) : x < T(0) ? (T)-1 : T(0);
}

// The next representable number, on the bits of the type itself.
template <class B> __device__ inline B next_bits(B x, B y, B sign, B infinity) {
  B ax = x & (B)~sign, ay = y & (B)~sign;
  if (ax > infinity) return x;
  if (ay > infinity) return y;
  if (x == y || (ax == 0 && ay == 0)) return y;
  if (ax == 0) return (B)((y & sign) | 1);
  bool towards_zero = ((x ^ y) & sign) || ax > ay;
  return towards_zero ? (B)(x - 1) : (B)(x + 1);
}
__device__ inline f32 m_nextafter(f32 x, f32 y) {
  return bits_f32(next_bits<u32>(f32_bits(x), f32_bits(y), 0x80000000u, 0x7f800000u));
}
__device__ inline f64 m_nextafter(f64 x, f64 y) {
  return bits_f64(next_bits<u64>(f64_bits(x), f64_bits(y), 1ull << 63, 0x7ffull << 52));
}
__device__ inline f32 m_nextafter(f16 x, f16 y) {
  f16 r = {next_bits<u16>(x.bits, y.bits, 0x8000, 0x7c00)};
  return wide(r);
}
__device__ inline f32 m_nextafter(bf16 x, bf16 y) {
  bf16 r = {next_bits<u16>(x.bits, y.bits, 0x8000, 0x7f80)};
  return wide(r);
}

// Arithmetic on integers wraps; on the small ones it would otherwise be done in int.
template <class T> __device__ inline T m_add(T x, T y) { return (T)(x + y); }
template <class T> __device__ inline T m_subtract(T x, T y) { return (T)(x - y); }
template <class T> __device__ inline T m_multiply(T x, T y) { return (T)(x * y); }
template <class T> __device__ inline T m_divide(T x, T y) { return x / y; }
__device__ inline f32 m_multiply_add(f32 x, f32 y, f32 z) { return fmaf(x, y, z); }
__device__ inline f64 m_multiply_add(f64 x, f64 y, f64 z) { return fma(x, y, z); }
template <class T> __device__ inline T m_multiply_add(T x, T y, T z) {
  return m_add(z, m_multiply(x, y));
}
template <class T> __device__ inline T m_square(T x) { return (T)(x * x); }
template <class T> __device__ inline T m_conj(T x) { return x; }
template <class T> __device__ inline bool m_equal(T x, T y) { return x == y; }
template <class T> __device__ inline T m_invert(T x) { return (T)~x; }
__device__ inline bool m_invert(bool x) { return !x; }

// Activations.
template <class T> __device__ inline T m_sigmoid(T x) {
  T small = m_exp(-m_abs(x));
  return (x >= T(0) ? T(1) : small) / (T(1) + small);
}
template <class T> __device__ inline T m_log_sigmoid(T x) {
  return m_minimum(x, T(0)) - m_log1p(m_exp(-m_abs(x)));
}
template <class T> __device__ inline T m_exponential(T x, f64 alpha, f64 scale, f64 width) {
  return T(scale) * (x > T(0) ? x : T(alpha) * m_expm1(x / T(width)));
}
template <class T> __device__ inline T m_softplus(T x, f64 beta, f64 threshold) {
  return x * T(beta) > T(threshold) ? x : m_log1p(m_exp(x * T(beta))) / T(beta);
}
template <class T> __device__ inline T m_relu6(T x) {
  return m_minimum(m_maximum(x, T(0)), T(6));
}
template <class T> __device__ inline T m_gelu(T x) {
  return T(0.5) * x * (T(1) + m_erf(x * T(0.70710678118654752440)));
}
template <class T> __device__ inline T m_gelu_tanh(T x) {
  T bend = T(0.79788456080286535588) * (x + T(0.044715) * x * x * x);
  return T(0.5) * x * (T(1) + m_tanh(bend));
}
