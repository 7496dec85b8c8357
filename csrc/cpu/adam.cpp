#include "cpu.h"

namespace nsg::NSG_ISA {
namespace {

constexpr int64_t kBlock = 64;  // elements that are passed over together where all gradients are zero

template <bool skip_zeros>
void step(const AdamStep& a, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
        float parameter = a.parameter[i], first = a.first_moment[i], second = a.second_moment[i];
        adam_update(a.rates, a.gradient[i], parameter, first, second);
        const bool is_moved = !skip_zeros || a.gradient[i] != 0.0f;
        a.parameter[i] = is_moved ? parameter : a.parameter[i];
        a.first_moment[i] = is_moved ? first : a.first_moment[i];
        a.second_moment[i] = is_moved ? second : a.second_moment[i];
    }
}

}  // namespace

void run(const AdamStep& a) {
#pragma omp parallel for num_threads(num_threads())
    for (int64_t begin = 0; begin < a.count; begin += kBlock) {
        const int64_t end = begin + kBlock < a.count ? begin + kBlock : a.count;
        bool is_moved = !a.skip_zeros;
        for (int64_t i = begin; i < end; ++i) is_moved |= a.gradient[i] != 0.0f;
        if (!is_moved) continue;
        if (a.skip_zeros) step<true>(a, begin, end);
        else step<false>(a, begin, end);
        if (!a.clear_gradient) continue;
        for (int64_t i = begin; i < end; ++i) a.gradient[i] = 0.0f;
    }
}

}  // namespace nsg::NSG_ISA
