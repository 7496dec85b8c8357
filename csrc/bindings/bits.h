#pragma once

#include "arrays.h"

template <class B>
void bind_bits(nb::class_<B>& m) {
    define(
        m, "morton_encode", {"cells", "codes"}, [](const B& backend, Indices<B, 2> cells, Array<B, int64_t, 1> codes) {
            const int64_t n = length(cells);
            expect("cells", cells, {n, 3});
            expect("codes", codes, {n});
            backend.run(nsg::MortonEncode{n, cells.data(), codes.data()});
        });
    define(
        m, "morton_decode", {"codes", "cells"}, [](const B& backend, Indices<B, 1> codes, Array<B, int64_t, 2> cells) {
            const int64_t n = length(codes);
            expect("cells", cells, {n, 3});
            backend.run(nsg::MortonDecode{n, codes.data(), cells.data()});
        });
    define(
        m, "pack_bits", {"flags", "packed"},
        [](const B& backend, Array<B, const bool, 1> flags, Array<B, uint8_t, 1> packed) {
            const int64_t n = length(packed);
            expect("flags", flags, {8 * n});
            backend.run(nsg::PackBits{n, flags.data(), packed.data()});
        });
    define(
        m, "unpack_bits", {"packed", "flags"},
        [](const B& backend, Array<B, const uint8_t, 1> packed, Array<B, bool, 1> flags) {
            const int64_t n = length(packed);
            expect("flags", flags, {8 * n});
            backend.run(nsg::UnpackBits{n, packed.data(), flags.data()});
        });
}
