// Kernels that were printed for programs, and how a program finds its own.
//
// The programs are those that models in use compile to (`printed/programs.txt`); `printed/kernels.hpp` is printed from that list. Registers are
// variables and operands are known, so nothing is decoded and what is added up stays in the processor's registers. A program has a
// kernel if it is the same, instruction by instruction.

#include "program.hpp"

namespace zkinfer {
namespace {

// The row of a thread, as printed programs read it.
template <typename Kernel> struct Row {
    const Kernel &kernel;
    uint64_t row;

    HD Fr cell(uint32_t slot, int32_t rotation) const {
        return kernel.slots[slot][neighbour(row, rotation, kernel.rows)];
    }
    HD const Fr &scalar(uint32_t index) const { return kernel.scalars[index]; }
    HD Fr point() const { return kernel.shift * kernel.domain.omega().at(row); }
};

template <typename Program> struct RunPrinted {
    static constexpr unsigned THREADS = 128;
    using Shared = Nothing;
    using Locals = Nothing;

    // In the kernel's arguments, which all threads read at no cost. There is one of each at least.
    const Fr *slots[Program::SLOTS + 1];
    Fr scalars[Program::SCALARS + 1];
    DomainTables domain;
    Fr shift;
    Fr *to;
    uint64_t rows;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t row = thread.global();
        if (row < rows) to[row] += Program::sum(Row<RunPrinted>{*this, row});
    }
};

template <typename Program> void launch_printed(Context &context, const ProgramRun &run) {
    using Kernel = RunPrinted<Program>;
    Kernel kernel{{}, {}, run.domain, run.shift, run.to, run.rows()};
    for (uint32_t i = 0; i < Program::SLOTS; ++i) kernel.slots[i] = run.slot(i);
    for (uint32_t i = 0; i < Program::SCALARS; ++i) kernel.scalars[i] = run.scalar(i);
    launch(context, blocks_for(kernel.rows, Kernel::THREADS), kernel);
}

// A printed program.
struct Printed {
    const zkinfer_instruction *instructions;
    uint64_t length;
    uint32_t slots;
    uint32_t scalars;
    uint32_t result;
    void (*launch)(Context &, const ProgramRun &);

    bool is(const zkinfer_program &program) const {
        return length == program.length && slots == program.slot_count && scalars == program.scalar_count &&
               result == program.result &&
               std::memcmp(instructions, program.instructions, length * sizeof(zkinfer_instruction)) == 0;
    }
};

template <typename Program> constexpr Printed printed() {
    return {Program::INSTRUCTIONS, sizeof(Program::INSTRUCTIONS) / sizeof(zkinfer_instruction),
            Program::SLOTS,        Program::SCALARS,
            Program::RESULT,       launch_printed<Program>};
}

} // namespace
} // namespace zkinfer

#include "printed/kernels.hpp"

namespace zkinfer {

bool run_printed(Context &context, const ProgramRun &run) {
    for (const Printed &printed : PRINTED) {
        if (printed.is(run.program)) {
            printed.launch(context, run);
            return true;
        }
    }
    return false;
}

} // namespace zkinfer
