#include "cuda.h"

namespace nsg::cuda {
namespace {

__global__ void __launch_bounds__(kBlock) adam_kernel(const __grid_constant__ AdamStep a) {
    for (int64_t i = begin(); i < a.count; i += stride()) {
        const float gradient = a.gradient[i];
        // Where whole sectors are passed over, their parameters and moments are not even read.
        if (a.skip_zeros && gradient == 0.0f) continue;
        float parameter = a.parameter[i], first = a.first_moment[i], second = a.second_moment[i];
        adam_update(a.rates, gradient, parameter, first, second);
        a.parameter[i] = parameter;
        a.first_moment[i] = first;
        a.second_moment[i] = second;
        if (a.clear_gradient) a.gradient[i] = 0.0f;
    }
}

}  // namespace

void run(const AdamStep& a, const Queue& queue) { launch(queue, "adam_step", adam_kernel, a, a.count); }

}  // namespace nsg::cuda
