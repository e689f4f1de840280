// Straight-line programs over rows, as kernels take them.
#pragma once

#include "columns.hpp"

namespace zkinfer {

// A program and what it runs on, checked: whatever it reads is there.
struct ProgramRun {
    const zkinfer_program &program;
    DomainTables domain;
    Fr shift;
    // Each row's result is added to it.
    Fr *to;

    uint64_t rows() const { return uint64_t{1} << domain.k(); }
    const Fr *slot(uint32_t index) const { return at<Fr>(program.slots[index]); }
    Fr scalar(uint32_t index) const { return Fr::from_words(program.scalars + 4 * uint64_t{index}); }
};

// Where the cell of a row's neighbour is; rows go around.
HD uint64_t neighbour(uint64_t row, int32_t rotation, uint64_t rows) {
    return (row + static_cast<uint64_t>(int64_t{rotation})) & (rows - 1);
}

// Runs the kernel that was printed for the program; whether there is one.
bool run_printed(Context &context, const ProgramRun &run);

} // namespace zkinfer
