// Morton codes of cells, 21 bits an axis (x lowest, then y, then z), and bits packed eight to a byte, lowest first.
#pragma once

#include "platform.h"

namespace nsg {

struct MortonEncode {
    int64_t count;
    const int64_t* cells;
    int64_t* codes;
};

struct MortonDecode {
    int64_t count;
    const int64_t* codes;
    int64_t* cells;
};

struct PackBits {
    int64_t bytes;
    const bool* flags;
    uint8_t* packed;
};

struct UnpackBits {
    int64_t bytes;
    const uint8_t* packed;
    bool* flags;
};

// Moves the low 21 bits to every third place.
NSG_HD uint64_t spread_21_bits(uint64_t x) {
    x &= 0x1FFFFF;
    x = (x | x << 32) & 0x001F00000000FFFF;
    x = (x | x << 16) & 0x001F0000FF0000FF;
    x = (x | x << 8) & 0x100F00F00F00F00F;
    x = (x | x << 4) & 0x10C30C30C30C30C3;
    return (x | x << 2) & 0x1249249249249249;
}

// The inverse: gathers every third bit.
NSG_HD uint64_t gather_21_bits(uint64_t x) {
    x &= 0x1249249249249249;
    x = (x | x >> 2) & 0x10C30C30C30C30C3;
    x = (x | x >> 4) & 0x100F00F00F00F00F;
    x = (x | x >> 8) & 0x001F0000FF0000FF;
    x = (x | x >> 16) & 0x001F00000000FFFF;
    return (x | x >> 32) & 0x1FFFFF;
}

NSG_HD int64_t morton_encode(const int64_t* cell) {
    return static_cast<int64_t>(
        spread_21_bits(static_cast<uint64_t>(cell[0])) | spread_21_bits(static_cast<uint64_t>(cell[1])) << 1 |
        spread_21_bits(static_cast<uint64_t>(cell[2])) << 2);
}

NSG_HD void morton_decode(int64_t code, int64_t* cell) {
    for (int d = 0; d < 3; ++d) cell[d] = static_cast<int64_t>(gather_21_bits(static_cast<uint64_t>(code) >> d));
}

NSG_HD uint8_t pack_bits(const bool* flags) {
    unsigned byte = 0;
    for (unsigned bit = 0; bit < 8; ++bit) byte |= static_cast<unsigned>(flags[bit]) << bit;
    return static_cast<uint8_t>(byte);
}

NSG_HD void unpack_bits(uint8_t byte, bool* flags) {
    for (unsigned bit = 0; bit < 8; ++bit) flags[bit] = byte >> bit & 1u;
}

}  // namespace nsg
