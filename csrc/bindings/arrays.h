// The arrays that ops take, and the sentences that wrong ones get.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../common/ops.h"

namespace nb = nanobind;

// B is a backend: its Device, and run(op) for each op. An object of it says where to compute.
template <class B, class T, int N>
using Array = nb::ndarray<T, nb::ndim<N>, nb::c_contig, typename B::Device>;
template <class B, int N>
using In = Array<B, const float, N>;
template <class B, int N>
using Out = Array<B, float, N>;
template <class B, int N>
using Indices = Array<B, const int64_t, N>;

template <class B>
constexpr bool is_on_cpu = std::is_same_v<typename B::Device, nb::device::cpu>;

template <class B, class Function, size_t... I>
void define(
    nb::class_<B>& m, const char* name, const char* const* arguments, Function function, std::index_sequence<I...>) {
    // Without noconvert nanobind would convert an array of another dtype in silence. (With it a number must fit its
    // type without rounding: ops take doubles.)
    m.def(name, function, nb::arg(arguments[I]).noconvert()...);
}

// Binds a method of a backend under a name, with names for its arguments.
template <class B, class Function, size_t N>
void define(nb::class_<B>& m, const char* name, const char* const (&arguments)[N], Function function) {
    define(m, name, arguments, function, std::make_index_sequence<N>());
}

inline std::string text(const std::vector<int64_t>& shape) {
    std::string result = "(";
    for (int64_t size : shape) result += (result.size() > 1 ? ", " : "") + std::to_string(size);
    return result + ")";
}

// Refuses an array whose sizes do not fit those of the others.
template <class A>
void expect(const char* name, const A& array, const std::vector<int64_t>& shape) {
    std::vector<int64_t> found;
    for (size_t d = 0; d < array.ndim(); ++d) found.push_back(static_cast<int64_t>(array.shape(d)));
    if (found == shape) return;
    throw nb::value_error((std::string(name) + " has shape " + text(found) + ", expected " + text(shape)).c_str());
}

inline void require(bool fits, const std::string& otherwise) {
    if (!fits) throw nb::value_error(otherwise.c_str());
}

// Number of entries along the first axis.
template <class A>
int64_t length(const A& array) {
    return static_cast<int64_t>(array.shape(0));
}

template <class A>
auto address(const std::optional<A>& array) {
    return array ? array->data() : nullptr;
}

// Returns the number of rays. Offsets on the CPU are looked at; those on another device are the caller's promise.
template <class B>
int64_t num_rays(const Indices<B, 1>& offsets, int64_t samples) {
    const int64_t rays = length(offsets) - 1;
    require(rays >= 0, "offsets is empty, expected one more than there are rays");
    if constexpr (is_on_cpu<B>) {
        const int64_t* data = offsets.data();
        bool fits = data[0] == 0 && data[rays] == samples;
        for (int64_t r = 0; r < rays; ++r) fits = fits && data[r] <= data[r + 1];
        require(fits, "offsets must begin with 0, never decrease and end with " + std::to_string(samples) + " samples");
    }
    return rays;
}

// Refuses indices outside of a table. Those on another device are the caller's promise.
template <class B, int N>
void expect_below(const char* name, const Indices<B, N>& indices, int64_t lowest, int64_t end) {
    if constexpr (is_on_cpu<B>) {
        const int64_t* data = indices.data();
        bool fits = true;
        for (size_t i = 0; i < indices.size(); ++i) fits = fits && data[i] >= lowest && data[i] < end;
        require(
            fits, std::string(name) + " must lie from " + std::to_string(lowest) + " to " + std::to_string(end - 1));
    }
}
