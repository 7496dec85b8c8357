#pragma once

#include "arrays.h"

template <class B>
void bind_adam(nb::class_<B>& m) {
    define(
        m, "adam_step",
        {"parameter", "gradient", "first_moment", "second_moment", "step", "learning_rate", "beta1", "beta2", "eps",
         "weight_decay", "skip_zeros", "clear_gradient"},
        [](const B& backend, Out<B, 1> parameter, Out<B, 1> gradient, Out<B, 1> first_moment, Out<B, 1> second_moment,
           int64_t step, double learning_rate, double beta1, double beta2, double eps, double weight_decay,
           bool skip_zeros, bool clear_gradient) {
            const int64_t n = length(parameter);
            require(step >= 1, "step must be 1 or more");
            expect("gradient", gradient, {n});
            expect("first_moment", first_moment, {n});
            expect("second_moment", second_moment, {n});
            backend.run(
                nsg::AdamStep{
                    n, nsg::adam_rates(step, learning_rate, beta1, beta2, eps, weight_decay), skip_zeros,
                    clear_gradient, parameter.data(), gradient.data(), first_moment.data(), second_moment.data()});
        });
}
