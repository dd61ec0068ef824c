// Number types of hal on the device, and their conversions. Needs no header of CUDA, so that the
// same text also compiles as C++ on a host, where the tests run it.

typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef float f32;
typedef double f64;

struct f16 { u16 bits; };
struct bf16 { u16 bits; };
struct f8e4 { u8 bits; };  // float8_e4m3fn: no infinity, NaN is all ones
struct f8e5 { u8 bits; };  // float8_e5m2
struct i4 { u8 bits; };  // one to a byte, in its low half
struct u4 { u8 bits; };

template <class T> struct alignas(2 * sizeof(T)) complex { T re, im; };
typedef complex<f32> c64;
typedef complex<f64> c128;

#ifdef HAL_HOST
inline u32 f32_bits(f32 x) { u32 r; __builtin_memcpy(&r, &x, 4); return r; }
inline f32 bits_f32(u32 x) { f32 r; __builtin_memcpy(&r, &x, 4); return r; }
inline u64 f64_bits(f64 x) { u64 r; __builtin_memcpy(&r, &x, 8); return r; }
inline f64 bits_f64(u64 x) { f64 r; __builtin_memcpy(&r, &x, 8); return r; }
#else
__device__ inline u32 f32_bits(f32 x) { return __float_as_uint(x); }
__device__ inline f32 bits_f32(u32 x) { return __uint_as_float(x); }
__device__ inline u64 f64_bits(f64 x) { return (u64)__double_as_longlong(x); }
__device__ inline f64 bits_f64(u64 x) { return __longlong_as_double((i64)x); }
#endif

// A small float of E exponent and M mantissa bits, round to nearest even. FN: no infinities.
template <int E, int M, bool FN> __device__ inline u32 encode_bits(f64 value) {
  u64 bits = f64_bits(value);
  u32 sign = (u32)(bits >> 63) << (E + M);
  u64 magnitude = bits & 0x7fffffffffffffffull;
  const int bias = (1 << (E - 1)) - 1;
  const u32 infinity = ((1u << E) - 1) << M;
  const u32 nan = FN ? (1u << (E + M)) - 1 : infinity | (1u << (M - 1));
  if (magnitude > 0x7ff0000000000000ull) return sign | nan;
  if (magnitude == 0x7ff0000000000000ull) return sign | (FN ? nan : infinity);
  int exponent = (int)(magnitude >> 52) - 1023;
  if (exponent < -bias - M) return sign;
  int lowest = exponent < 1 - bias ? 1 - bias : exponent;
  // The significand with its hidden bit, shifted to M bits behind the point of `lowest`.
  u64 significand = (magnitude & 0xfffffffffffffull) | 0x10000000000000ull;
  int shift = 52 - M + (lowest - exponent);
  u64 kept = significand >> shift;
  u64 rest = significand & ((1ull << shift) - 1), half = 1ull << (shift - 1);
  kept += rest > half || (rest == half && (kept & 1));
  u64 result = kept + ((u64)(lowest + bias - 1) << M);
  const u32 largest = FN ? nan - 1 : infinity - 1;
  if (result > largest) return sign | (FN ? nan : infinity);
  return sign | (u32)result;
}

template <int E, int M, bool FN> __device__ inline f32 decode_bits(u32 bits) {
  const int bias = (1 << (E - 1)) - 1;
  u32 sign = (bits >> (E + M)) << 31;
  u32 exponent = (bits >> M) & ((1u << E) - 1), mantissa = bits & ((1u << M) - 1);
  if (FN ? (bits & ((1u << (E + M)) - 1)) == (1u << (E + M)) - 1
         : exponent == (1u << E) - 1 && mantissa)
    return bits_f32(sign | 0x7fc00000u);
  if (!FN && exponent == (1u << E) - 1) return bits_f32(sign | 0x7f800000u);
  if (exponent == 0) {
    f32 value = (f32)mantissa * bits_f32((u32)(127 + 1 - bias - M) << 23);
    return bits_f32(f32_bits(value) | sign);
  }
  return bits_f32(sign | ((exponent + 127 - bias) << 23) | (mantissa << (23 - M)));
}

// wide(x): the value in the type it is calculated with.
__device__ inline bool wide(bool x) { return x; }
__device__ inline i8 wide(i8 x) { return x; }
__device__ inline i16 wide(i16 x) { return x; }
__device__ inline i32 wide(i32 x) { return x; }
__device__ inline i64 wide(i64 x) { return x; }
__device__ inline u8 wide(u8 x) { return x; }
__device__ inline u16 wide(u16 x) { return x; }
__device__ inline u32 wide(u32 x) { return x; }
__device__ inline u64 wide(u64 x) { return x; }
__device__ inline f32 wide(f32 x) { return x; }
__device__ inline f64 wide(f64 x) { return x; }
__device__ inline c64 wide(c64 x) { return x; }
__device__ inline c128 wide(c128 x) { return x; }
__device__ inline i8 wide(i4 x) { return (i8)((i8)(u8)(x.bits << 4) >> 4); }
__device__ inline u8 wide(u4 x) { return x.bits & 15; }
__device__ inline f32 wide(bf16 x) { return bits_f32((u32)x.bits << 16); }
__device__ inline f32 wide(f8e4 x) { return decode_bits<4, 3, true>(x.bits); }
__device__ inline f32 wide(f8e5 x) { return decode_bits<5, 2, false>(x.bits); }
__device__ inline f32 wide(f16 x) {
#ifdef HAL_HOST
  return decode_bits<5, 10, false>(x.bits);
#else
  f32 r;
  asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(x.bits));
  return r;
#endif
}

// narrow<T>(x): the value rounded once to the type it is stored in.
template <class T> struct Narrow {
  template <class S> __device__ static T from(S x) { return (T)x; }
  template <class S> __device__ static T from(complex<S> x) { return (T)x.re; }
};
template <> struct Narrow<bool> {
  template <class S> __device__ static bool from(S x) { return x != (S)0; }
  template <class S> __device__ static bool from(complex<S> x) { return x.re != 0 || x.im != 0; }
};
template <class T> struct Narrow<complex<T>> {
  template <class S> __device__ static complex<T> from(S x) {
    complex<T> r = {(T)x, (T)0};
    return r;
  }
  template <class S> __device__ static complex<T> from(complex<S> x) {
    complex<T> r = {(T)x.re, (T)x.im};
    return r;
  }
};
template <> struct Narrow<f16> {
  __device__ static f16 from(f32 x) {
    f16 r;
#ifdef HAL_HOST
    r.bits = (u16)encode_bits<5, 10, false>(x);
#else
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r.bits) : "f"(x));
#endif
    return r;
  }
  __device__ static f16 from(f64 x) {
    f16 r;
    r.bits = (u16)encode_bits<5, 10, false>(x);
    return r;
  }
  template <class S> __device__ static f16 from(S x) { return from((f32)x); }
};
template <> struct Narrow<bf16> {
  template <class S> __device__ static bf16 from(S x) {
    u32 bits = f32_bits((f32)x);
    bf16 r;
    if ((bits & 0x7fffffffu) > 0x7f800000u) r.bits = (u16)((bits >> 16) | 0x40u);
    else r.bits = (u16)((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
    return r;
  }
};
template <> struct Narrow<f8e4> {
  template <class S> __device__ static f8e4 from(S x) {
    f8e4 r = {(u8)encode_bits<4, 3, true>((f64)x)};
    return r;
  }
};
template <> struct Narrow<f8e5> {
  template <class S> __device__ static f8e5 from(S x) {
    f8e5 r = {(u8)encode_bits<5, 2, false>((f64)x)};
    return r;
  }
};
template <> struct Narrow<i4> {
  template <class S> __device__ static i4 from(S x) {
    i4 r = {(u8)((u8)(i8)x & 15)};
    return r;
  }
};
template <> struct Narrow<u4> {
  template <class S> __device__ static u4 from(S x) {
    u4 r = {(u8)((u8)x & 15)};
    return r;
  }
};
template <class T, class S> __device__ inline T narrow(S x) { return Narrow<T>::from(x); }

// The type of wide(T).
template <class T> struct Wider { typedef decltype(wide(T())) type; };

// Threads that stand side by side work on elements that lie side by side.
template <class T, int N> struct alignas(sizeof(T) * N) Pack { T at[N]; };

template <bool CHOICE, class A, class B> struct std_if { typedef A type; };
template <class A, class B> struct std_if<false, A, B> { typedef B type; };
