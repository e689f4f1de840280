// Straight-line programs over rows: the interpreter, and the choice between it and printed kernels.
//
// A thread has a row. All threads are at the same instruction, so that decoding it takes one read for a warp; registers are addressed
// by numbers that are known no sooner, so they lie in local memory, which the first cache holds: reading two and writing one takes
// 96 bytes a thread and instruction. Programs of very many registers have theirs in global memory.

#include "program.hpp"

namespace zkinfer {
namespace {

// How many registers a thread has room for.
struct Few {
    static constexpr uint32_t COUNT = 8;
};
struct Many {
    static constexpr uint32_t COUNT = 32;
};

// Registers of one thread.
template <typename Room> class LocalRegisters {
  public:
    HD LocalRegisters(Fr *, uint64_t, uint64_t) {}
    HD Fr &operator[](uint32_t index) { return registers_[index]; }

  private:
    Fr registers_[Room::COUNT];
};

// Register by register, those of neighbouring threads side by side.
class GlobalRegisters {
  public:
    HD GlobalRegisters(Fr *memory, uint64_t thread, uint64_t threads) : memory_(memory + thread), threads_(threads) {}
    HD Fr &operator[](uint32_t index) { return memory_[index * threads_]; }

  private:
    Fr *memory_;
    uint64_t threads_;
};

template <typename Registers> struct Interpret {
    static constexpr unsigned THREADS = 128;
    using Shared = Nothing;
    using Locals = Nothing;

    const zkinfer_instruction *instructions;
    const Fr *const *slots;
    const Fr *scalars;
    uint64_t length;
    uint32_t result;
    uint32_t reads_points;
    DomainTables domain;
    Fr shift;
    Fr *to;
    uint64_t rows;
    // For registers in global memory, and the threads that have some.
    Fr *memory;
    uint64_t threads;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        Registers registers(memory, thread.global(), threads);
        for (uint64_t row = thread.global(); row < rows; row += threads) {
            const Fr point = reads_points ? shift * domain.omega().at(row) : Fr::zero();
            for (uint64_t i = 0; i < length; ++i) step(instructions[i], registers, point, row);
            to[row] += registers[result];
        }
    }

    HD void step(const zkinfer_instruction &instruction, Registers &registers, const Fr &point, uint64_t row) const {
        const Fr a = read(instruction.a, registers, point, row);
        if (instruction.operation == ZKINFER_COPY) {
            registers[instruction.to] = a;
            return;
        }
        const Fr b = read(instruction.b, registers, point, row);
        if (instruction.operation == ZKINFER_SUM) {
            registers[instruction.to] = a + b;
        } else if (instruction.operation == ZKINFER_DIFFERENCE) {
            registers[instruction.to] = a - b;
        } else {
            // One place for the product keeps the kernel small.
            const Fr product = a * b;
            const bool adds = instruction.operation == ZKINFER_SUM_OF_PRODUCT;
            registers[instruction.to] = adds ? registers[instruction.to] + product : product;
        }
    }

    HD Fr read(const zkinfer_operand &operand, Registers &registers, const Fr &point, uint64_t row) const {
        switch (operand.kind) {
        case ZKINFER_REGISTER: return registers[operand.index];
        case ZKINFER_SCALAR: return scalars[operand.index];
        case ZKINFER_CELL: return slots[operand.index][neighbour(row, operand.rotation, rows)];
        default: return point;
        }
    }
};

// Threads that have registers in global memory.
constexpr uint64_t MOST_THREADS = 1u << 15;

template <typename Registers> void interpret(Context &context, const ProgramRun &run, Fr *memory, uint64_t threads) {
    const zkinfer_program &program = run.program;
    std::vector<const Fr *> places;
    for (uint32_t i = 0; i < program.slot_count; ++i) places.push_back(run.slot(i));
    std::vector<Fr> values;
    for (uint32_t i = 0; i < program.scalar_count; ++i) values.push_back(run.scalar(i));
    const std::vector<zkinfer_instruction> steps(program.instructions, program.instructions + program.length);
    bool reads_points = false;
    for (const zkinfer_instruction &step : steps) {
        reads_points = reads_points || step.a.kind == ZKINFER_POINT || step.b.kind == ZKINFER_POINT;
    }
    const Scratch<zkinfer_instruction> instructions(context, steps);
    const Scratch<const Fr *> slots(context, places);
    const Scratch<Fr> scalars(context, values);
    using Kernel = Interpret<Registers>;
    const Kernel kernel{instructions.get(), slots.get(), scalars.get(), program.length, program.result, reads_points,
                        run.domain,         run.shift,   run.to,        run.rows(),     memory,         threads};
    launch(context, threads / Kernel::THREADS, kernel);
}

void interpret(Context &context, const ProgramRun &run) {
    constexpr uint64_t BLOCK = Interpret<GlobalRegisters>::THREADS;
    const uint64_t threads = blocks_for(run.rows(), BLOCK) * BLOCK;
    if (run.program.registers <= Few::COUNT) {
        interpret<LocalRegisters<Few>>(context, run, nullptr, threads);
    } else if (run.program.registers <= Many::COUNT) {
        interpret<LocalRegisters<Many>>(context, run, nullptr, threads);
    } else {
        const uint64_t some = threads < MOST_THREADS ? threads : MOST_THREADS;
        Scratch<Fr> memory(context, some * run.program.registers);
        interpret<GlobalRegisters>(context, run, memory.get(), some);
    }
}

class Check {
  public:
    explicit Check(const zkinfer_program &program) : program_(program), written_(program.registers, false) {}

    // Whether the program reads nothing that is not there, and no register before it is written.
    bool holds() {
        for (uint64_t i = 0; i < program_.length; ++i) {
            if (!step(program_.instructions[i])) return false;
        }
        return is_written(program_.result);
    }

  private:
    bool is_written(uint32_t index) const { return index < written_.size() && written_[index]; }

    bool step(const zkinfer_instruction &step) {
        if (step.operation > ZKINFER_SUM_OF_PRODUCT || step.to >= program_.registers || !reads(step.a)) return false;
        if (step.operation != ZKINFER_COPY && !reads(step.b)) return false;
        if (step.operation == ZKINFER_SUM_OF_PRODUCT && !written_[step.to]) return false;
        written_[step.to] = true;
        return true;
    }

    bool reads(const zkinfer_operand &operand) const {
        switch (operand.kind) {
        case ZKINFER_REGISTER: return is_written(operand.index);
        case ZKINFER_SCALAR: return operand.index < program_.scalar_count;
        case ZKINFER_CELL: return operand.index < program_.slot_count;
        default: return operand.kind == ZKINFER_POINT;
        }
    }

    const zkinfer_program &program_;
    std::vector<bool> written_;
};

} // namespace
} // namespace zkinfer

using namespace zkinfer;

int32_t zkinfer_run_program(zkinfer_context *context, zkinfer_address domain, uint32_t k,
                            const zkinfer_program *program, const uint64_t shift[4], uint32_t interpreted,
                            zkinfer_address to, uint32_t *printed) {
    return guarded(context, [&](Context &context) {
        *printed = 0;
        if (!Check(*program).holds()) throw Failure(ZKINFER_INVALID, "a program that reads what is not there");
        const ProgramRun run{*program, known_tables(domain, k), Fr::from_words(shift), at<Fr>(to)};
        if (interpreted == 0 && run_printed(context, run)) {
            *printed = 1;
        } else {
            interpret(context, run);
        }
    });
}
