// What differs between the compilers of these sources, and the few functions that all formulas share.
#pragma once

#include <cmath>
#include <cstdint>

// A formula that both sides compute. On the host it has internal linkage: the same header is compiled for several
// instruction sets, and a linker that merged the copies could keep one that this machine cannot execute.
#if defined(__CUDACC__)
#define NSG_HD __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define NSG_HD static inline __attribute__((always_inline, unused))
#else
#define NSG_HD static inline
#endif

namespace nsg {

// Both return b where one of them is not a number, so that least(limit, x) lets a NaN in x through.
NSG_HD float least(float a, float b) { return a < b ? a : b; }
NSG_HD float greatest(float a, float b) { return a > b ? a : b; }

// exp(x) and exp(x) - 1, each to about one unit in the last place.
struct Exponential {
    float exp;
    float expm1;
};

// Without a call or a branch, so that loops over it are vectorized: x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial
// for expm1(r) (minimax, of the Cephes library's degree), and 2^n put together from bits. Below -86.5 it stays
// at exp(-86.5) = 2.7e-38, above 88.72 at exp(88.72) = 3.4e38.
NSG_HD Exponential exponential(float x) {
#if defined(__CUDA_ARCH__)
    return {expf(x), expm1f(x)};
#else
    const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, which stands in the low bits
    x = least(88.72f, greatest(-86.5f, x));
    const float shifted = x * 1.44269504f + magic;
    const float n = shifted - magic;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r;
    uint32_t bits;
    __builtin_memcpy(&bits, &shifted, sizeof bits);
    bits = (bits - 0x4B400000u + 126u) << 23;  // the exponent field of 2^(n-1), -125 <= n <= 128
    float half;
    __builtin_memcpy(&half, &bits, sizeof half);
    return {2.0f * (half * p + half), 2.0f * (half * p + (half - 0.5f))};
#endif
}

}  // namespace nsg
