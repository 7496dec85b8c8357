#include "cpu.h"

namespace nsg::NSG_ISA {
namespace {

constexpr int64_t kBlock = 64;  // elements that are passed over together where all gradients are zero

// Looks at bits, all of them: quicker than comparisons that may end early. Shifted, so that -0 is a zero too.
bool are_zeros(const float* values, int64_t count) {
    uint32_t all = 0;
    for (int64_t i = 0; i < count; ++i) {
        uint32_t bits;
        __builtin_memcpy(&bits, values + i, sizeof bits);
        all |= bits << 1;
    }
    return all == 0;
}

template <bool skip_zeros>
void step(const AdamStep& a, int64_t begin, int64_t count) {
    // Copies, which cannot overlap: the loop is vectorized.
    const AdamRates rates = a.rates;
    float* __restrict__ parameters = a.parameter + begin;
    float* __restrict__ gradients = a.gradient + begin;
    float* __restrict__ firsts = a.first_moment + begin;
    float* __restrict__ seconds = a.second_moment + begin;
    for (int64_t i = 0; i < count; ++i) {
        float parameter = parameters[i], first = firsts[i], second = seconds[i];
        adam_update(rates, gradients[i], parameter, first, second);
        const bool is_moved = !skip_zeros || gradients[i] != 0.0f;
        parameters[i] = is_moved ? parameter : parameters[i];
        firsts[i] = is_moved ? first : firsts[i];
        seconds[i] = is_moved ? second : seconds[i];
    }
}

}  // namespace

void run(const AdamStep& a) {
#pragma omp parallel for num_threads(num_threads())
    for (int64_t begin = 0; begin < a.count; begin += kBlock) {
        const int64_t end = begin + kBlock < a.count ? begin + kBlock : a.count;
        if (a.skip_zeros && are_zeros(a.gradient + begin, end - begin)) continue;
        if (a.skip_zeros) step<true>(a, begin, end - begin);
        else step<false>(a, begin, end - begin);
        if (!a.clear_gradient) continue;
        for (int64_t i = begin; i < end; ++i) a.gradient[i] = 0.0f;
    }
}

}  // namespace nsg::NSG_ISA
