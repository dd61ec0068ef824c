// Complex arithmetic and functions. What is not plain arithmetic is calculated in double.
// Formulas of the inverse functions: W. Kahan, "Branch cuts for complex elementary functions", 1987.

#define HAL_C template <class T> __device__ inline complex<T>
HAL_C make(T re, T im) { complex<T> r = {re, im}; return r; }
HAL_C operator+(complex<T> a, complex<T> b) { return make<T>(a.re + b.re, a.im + b.im); }
HAL_C operator-(complex<T> a, complex<T> b) { return make<T>(a.re - b.re, a.im - b.im); }
HAL_C operator*(complex<T> a, complex<T> b) {
  return make<T>(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
}
HAL_C operator/(complex<T> a, complex<T> b) {
  T re = m_abs(b.re), im = m_abs(b.im);
  if (re == T(0) && im == T(0)) return make<T>(a.re / re, a.im / re);
  if (re >= im) {
    T ratio = b.im / b.re, scale = T(1) / (b.re + b.im * ratio);
    return make<T>((a.re + a.im * ratio) * scale, (a.im - a.re * ratio) * scale);
  }
  T ratio = b.re / b.im, scale = T(1) / (b.im + b.re * ratio);
  return make<T>((a.re * ratio + a.im) * scale, (a.im * ratio - a.re) * scale);
}
template <class T> __device__ inline bool operator==(complex<T> a, complex<T> b) {
  return a.re == b.re && a.im == b.im;
}
template <class T> __device__ inline bool operator!=(complex<T> a, complex<T> b) {
  return !(a == b);
}
HAL_C m_add(complex<T> a, complex<T> b) { return a + b; }
HAL_C m_subtract(complex<T> a, complex<T> b) { return a - b; }
HAL_C m_multiply(complex<T> a, complex<T> b) { return a * b; }
HAL_C m_divide(complex<T> a, complex<T> b) { return a / b; }
HAL_C m_square(complex<T> a) { return a * a; }
HAL_C m_negative(complex<T> a) { return make<T>(-a.re, -a.im); }
HAL_C m_conj(complex<T> a) { return make<T>(a.re, -a.im); }
HAL_C m_round(complex<T> a) { return make<T>(m_round(a.re), m_round(a.im)); }
HAL_C m_reciprocal(complex<T> a) { return make<T>(T(1), T(0)) / a; }
template <class T> __device__ inline T m_reciprocal(T a) { return T(1) / a; }
template <class T> __device__ inline T m_abs(complex<T> a) { return m_hypot(a.re, a.im); }
HAL_C m_sign(complex<T> a) {
  T size = m_abs(a);
  if (size == T(0)) return make<T>(T(0), T(0));
  if (is_inf(size)) {
    if (is_inf(a.re) && is_inf(a.im)) return make<T>(a.re - a.re, a.re - a.re);
    return make<T>(is_inf(a.re) ? m_copysign(T(1), a.re) : T(0),
                   is_inf(a.im) ? m_copysign(T(1), a.im) : T(0));
  }
  return make<T>(a.re / size, a.im / size);
}

__device__ inline c128 turned(c128 z) { return make<f64>(-z.im, z.re); }         // i z
__device__ inline c128 turned_back(c128 z) { return make<f64>(z.im, -z.re); }    // -i z

__device__ inline c128 z_exp(c128 z) {
  f64 size = m_exp(z.re);
  if (z.im == 0) return make<f64>(size, z.im);
  if (size == 0 && !is_finite(z.im)) return make<f64>(0, 0);
  return make<f64>(size * m_cos(z.im), size * m_sin(z.im));
}
__device__ inline c128 z_expm1(c128 z) {
  f64 half = m_sin(z.im / 2);
  return make<f64>(m_expm1(z.re) * m_cos(z.im) - 2 * half * half, m_exp(z.re) * m_sin(z.im));
}
__device__ inline c128 z_log(c128 z) {
  f64 size = m_hypot(z.re, z.im), angle = m_atan2(z.im, z.re);
  if (size > 0.5 && size < 2) {
    f64 x = m_maximum(m_abs(z.re), m_abs(z.im)), y = m_minimum(m_abs(z.re), m_abs(z.im));
    return make<f64>(0.5 * m_log1p((x - 1) * (x + 1) + y * y), angle);
  }
  return make<f64>(m_log(size), angle);
}
__device__ inline c128 z_log2(c128 z) {
  c128 r = z_log(z);
  return make<f64>(r.re * 1.4426950408889634074, r.im * 1.4426950408889634074);
}
__device__ inline c128 z_log10(c128 z) {
  c128 r = z_log(z);
  return make<f64>(r.re * 0.43429448190325182765, r.im * 0.43429448190325182765);
}
__device__ inline c128 z_sqrt(c128 z) {
  f64 x = z.re, y = z.im;
  if (x == 0 && y == 0) return make<f64>(0, y);
  if (is_inf(y)) return make<f64>(m_abs(y), y);
  if (is_inf(x)) return x > 0 ? make<f64>(x, is_nan(y) ? y : m_copysign(0.0, y))
                              : make<f64>(is_nan(y) ? y : 0.0, m_copysign(-x, y));
  // Scaled by a power of four, so that squaring neither overflows nor underflows.
  f64 scale = 1, root = 1, size = m_maximum(m_abs(x), m_abs(y));
  if (size > 1e150) { scale = 0x1p-600; root = 0x1p300; }
  if (size < 1e-150) { scale = 0x1p600; root = 0x1p-300; }
  x *= scale;
  y *= scale;
  if (x >= 0) {
    f64 t = m_sqrt((x + m_hypot(x, y)) * 0.5);
    return make<f64>(t * root, y / (2 * t) * root);
  }
  f64 t = m_sqrt((m_hypot(x, y) - x) * 0.5);
  return make<f64>(m_abs(y) / (2 * t) * root, m_copysign(t, y) * root);
}
__device__ inline c128 z_sinh(c128 z) {
  if (z.im == 0) return make<f64>(m_sinh(z.re), z.im);
  return make<f64>(m_sinh(z.re) * m_cos(z.im), m_cosh(z.re) * m_sin(z.im));
}
__device__ inline c128 z_cosh(c128 z) {
  if (z.im == 0) return make<f64>(m_cosh(z.re), z.re * z.im);
  return make<f64>(m_cosh(z.re) * m_cos(z.im), m_sinh(z.re) * m_sin(z.im));
}
__device__ inline c128 z_tanh(c128 z) {
  if (m_abs(z.re) > 20) {
    f64 rest = m_exp(-2 * m_abs(z.re));
    return make<f64>(m_copysign(1.0, z.re), 4 * m_sin(z.im) * m_cos(z.im) * rest);
  }
  f64 t = m_tan(z.im), beta = 1 + t * t, s = m_sinh(z.re), below = 1 + beta * s * s;
  return make<f64>(beta * m_sqrt(1 + s * s) * s / below, t / below);
}
__device__ inline c128 z_sin(c128 z) { return turned_back(z_sinh(turned(z))); }
__device__ inline c128 z_cos(c128 z) { return z_cosh(turned(z)); }
__device__ inline c128 z_tan(c128 z) { return turned_back(z_tanh(turned(z))); }
__device__ inline c128 z_asin(c128 z) {
  c128 a = z_sqrt(make<f64>(1 - z.re, -z.im)), b = z_sqrt(make<f64>(1 + z.re, z.im));
  return make<f64>(m_atan2(z.re, (a * b).re), m_asinh((m_conj(a) * b).im));
}
__device__ inline c128 z_acos(c128 z) {
  c128 a = z_sqrt(make<f64>(1 - z.re, -z.im)), b = z_sqrt(make<f64>(1 + z.re, z.im));
  return make<f64>(2 * m_atan2(a.re, b.re), m_asinh((m_conj(b) * a).im));
}
__device__ inline c128 z_acosh(c128 z) {
  c128 a = z_sqrt(make<f64>(z.re - 1, z.im)), b = z_sqrt(make<f64>(z.re + 1, z.im));
  return make<f64>(m_asinh((m_conj(a) * b).re), 2 * m_atan2(a.im, b.re));
}
__device__ inline c128 z_atanh(c128 z) {
  f64 x = z.re, y = z.im;
  if (m_abs(x) > 1e150 || m_abs(y) > 1e150)
    return make<f64>((c128(make<f64>(1, 0)) / z).re, m_copysign(1.57079632679489661923, y));
  const f64 size = m_abs(x), rest = 1 - size;  // The function is odd, and exact for positive x.
  return make<f64>(m_copysign(0.25 * m_log1p(4 * size / (rest * rest + y * y)), x),
                   0.5 * m_atan2(2 * y, rest * (1 + size) - y * y));
}
__device__ inline c128 z_asinh(c128 z) { return turned_back(z_asin(turned(z))); }
__device__ inline c128 z_atan(c128 z) { return turned_back(z_atanh(turned(z))); }
__device__ inline c128 z_pow(c128 z, c128 w) {
  if (w.re == 0 && w.im == 0) return make<f64>(1, 0);
  if (z.re == 0 && z.im == 0) {
    if (w.re > 0) return make<f64>(0, 0);
    f64 nan = z.re / z.re;
    return make<f64>(nan, nan);
  }
  if (w.im == 0 && w.re == m_round(w.re) && m_abs(w.re) < 100) {
    c128 result = make<f64>(1, 0), power = z;
    for (int n = (int)m_abs(w.re); n; n >>= 1) {
      if (n & 1) result = result * power;
      power = power * power;
    }
    return w.re < 0 ? m_reciprocal(result) : result;
  }
  return z_exp(w * z_log(z));
}
HAL_C m_power(complex<T> z, complex<T> w) {
  return narrow<complex<T>>(z_pow(narrow<c128>(z), narrow<c128>(w)));
}
#define HAL_COMPLEX(NAME) \
  HAL_C m_##NAME(complex<T> z) { return narrow<complex<T>>(z_##NAME(narrow<c128>(z))); }
HAL_COMPLEX(exp)
HAL_COMPLEX(expm1)
HAL_COMPLEX(log)
// As NumPy calculates it, in the type itself.
HAL_C m_log1p(complex<T> z) {
  return make<T>(m_log(m_hypot(z.re + T(1), z.im)), m_atan2(z.im, z.re + T(1)));
}
HAL_COMPLEX(log2)
HAL_COMPLEX(log10)
HAL_COMPLEX(sqrt)
HAL_COMPLEX(sin)
HAL_COMPLEX(cos)
HAL_COMPLEX(tan)
HAL_COMPLEX(asin)
HAL_COMPLEX(acos)
HAL_COMPLEX(atan)
HAL_COMPLEX(sinh)
HAL_COMPLEX(cosh)
HAL_COMPLEX(tanh)
HAL_COMPLEX(asinh)
HAL_COMPLEX(acosh)
HAL_COMPLEX(atanh)
