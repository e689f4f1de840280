// Columns of recipes: what the second phase of a machine is made of.
//
// A row's linear forms are sums of cells of small integers, which take no field products; their inverses are those of elements.cu. Terms are
// an operand with a factor and some small integers, mostly 0 or 1, so most of them take no product either. An accumulator,
// z_i = z_(i-1) * step_i + read_i, is a prefix sum over pairs with (a, b) (a', b') = (a a', a' b + b'), two products a join.
//
// The scalar unit's rows take results of earlier rows. They come in waves: the rows of a wave take results of earlier waves alone, but for
// that of the row before, which may be of the same wave. A wide wave is three launches and a prefix sum over its rows; waves in
// which only short runs of rows follow one another are done by one block of threads, many waves in one launch with a barrier between.

#include <algorithm>

#include "columns.hpp"
#include "integers.hpp"
#include "scan.hpp"

namespace zkinfer {
namespace {

// Cells of a column: every stride-th row from the first on. Those behind the last one are zero.
struct CellView {
    ColumnView column;
    uint64_t first;
    uint64_t stride;
    uint64_t count;

    CellView(const zkinfer_cells &cells, uint64_t rows)
        : column(cells.column, rows), first(cells.first), stride(cells.stride), count(cells.count) {
        const bool known = column.form() == ZKINFER_INTEGERS || column.form() == ZKINFER_ELEMENTS;
        if (!known) throw Failure(ZKINFER_INVALID, "cells that are neither integers nor elements");
        const bool inside = count == 0 || (first < rows && (rows - 1 - first) / std::max<uint64_t>(stride, 1) >= count - 1);
        if (stride == 0 || !inside) throw Failure(ZKINFER_INVALID, "cells beyond the domain");
    }

    HD bool is_integers() const { return column.form() == ZKINFER_INTEGERS; }

    HD uint64_t place(uint64_t row) const { return first + stride * row; }

    HD uint64_t digit(uint64_t row) const { return row < count ? column.digit(place(row)) : zero_digit(column.width()); }

    HD int64_t integer(uint64_t row) const {
        if (row >= count) return 0;
        const uint64_t at = place(row);
        return at < column.count() && at < column.tail_start() ? column.integer(at) : 0;
    }

    // The element in a row, of a column of elements.
    HD Fr element(uint64_t row) const {
        if (row >= count) return Fr::zero();
        const uint64_t at = place(row);
        return at < column.count() && at < column.tail_start() ? column.element(at) : Fr::zero();
    }
};

// Cells and what they are multiplied with.
struct CellTerm {
    CellView cells;
    Fr factor;
};

// A linear form: terms of integers first, then of elements; the constant with what digits stand for taken off.
struct FormView {
    uint64_t first;
    uint64_t integer_count;
    uint64_t count;
    Fr constant;
};

// Linear forms in each row, one behind the other.
struct SumCells {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    const FormView *forms;
    const CellTerm *terms;
    uint64_t blocks_of_form;
    Fr *to;
    uint64_t rows;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t number = thread.block / blocks_of_form;
        const uint64_t row = thread.block % blocks_of_form * THREADS + thread.index;
        if (row >= rows) return;
        const FormView &form = forms[number];
        IntegerSum integers;
        integers.clear();
        for (uint64_t i = 0; i < form.integer_count; ++i) {
            if (i % IntegerSum::FOLD == 0) integers.fold();
            const CellTerm &term = terms[form.first + i];
            integers.add(term.factor, term.cells.digit(row), term.cells.column.width());
        }
        Fr sum = form.constant + integers.value();
        for (uint64_t i = form.integer_count; i < form.count; ++i) {
            const CellTerm &term = terms[form.first + i];
            sum += term.factor * term.cells.element(row);
        }
        to[number * rows + row] = sum;
    }
};

// A small integer, or one minus it.
struct GateView {
    CellView cells;
    uint32_t off;

    // x times the gate.
    HD Fr times(const Fr &x, uint64_t row) const {
        if (!cells.is_integers()) {
            const Fr cell = cells.element(row);
            return x * (off ? Fr::one() - cell : cell);
        }
        const int64_t cell = cells.integer(row);
        // One minus the least integer is none of 64 bits.
        if (off) return cell == 0 ? x : cell == 1 ? Fr::zero() : x * (Fr::one() - Fr::integer(cell));
        return cell == 0 ? Fr::zero() : cell == 1 ? x : x * Fr::integer(cell);
    }
};

// An operand with a factor and gates.
struct ProductView {
    Fr factor;
    uint64_t first_gate;
    uint32_t gate_count;
    uint32_t is_unit;
    // Null for one.
    const Fr *operand;
    uint64_t first;
    uint64_t stride;
    uint64_t count;
    int64_t shift;
};

// Sums of products in each row.
struct AddProducts {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    const ProductView *products;
    const GateView *gates;
    uint64_t count;
    Fr *to;
    uint64_t rows;
    uint32_t mode;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t row = thread.global();
        if (row >= rows) return;
        Fr sum = mode == ZKINFER_SET ? Fr::zero() : to[row];
        for (uint64_t i = 0; i < count; ++i) {
            const ProductView &product = products[i];
            Fr value = Fr::one();
            if (product.operand != nullptr) {
                const uint64_t at = row + static_cast<uint64_t>(product.shift);
                if (at >= product.count) continue;
                value = product.operand[product.first + product.stride * at];
            }
            for (uint32_t j = 0; j < product.gate_count && !value.is_zero(); ++j) {
                value = gates[product.first_gate + j].times(value, row);
            }
            if (value.is_zero()) continue;
            sum += product.is_unit ? value : product.factor * value;
        }
        to[row] = sum;
    }
};

// z -> first * z + second
struct Affine {
    Fr first;
    Fr second;
};

struct Composition {
    using Value = Affine;
    static HD Affine neutral() { return {Fr::one(), Fr::zero()}; }
    static HD Affine join(const Affine &first, const Affine &second) {
        return {first.first * second.first, second.first * first.second + second.second};
    }
};

// Steps and reads as maps; what is left in a row is what they make of zero.
struct Recurrence {
    const Fr *steps;
    Fr *reads;

    HD Affine load(uint64_t i) const { return {steps[i], reads[i]}; }
    HD void store(uint64_t i, const Affine &before, const Affine &entry) const {
        reads[i] = entry.first * before.second + entry.second;
    }
};

void recur(Context &context, const Fr *steps, Fr *reads, uint64_t count) {
    Scan<Composition, Recurrence>::run(context, Recurrence{steps, reads}, count, Composition::neutral());
}

// Elements into some rows of a column.
struct Place {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    Fr *to;
    const Fr *from;
    uint64_t first;
    uint64_t stride;
    uint64_t count;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t i = thread.global();
        if (i < count) to[first + stride * i] = from[i];
    }
};

// A cell that an operand is a copy of: zero, an earlier row's, or a source's.
struct OperandCell {
    uint32_t kind;
    uint32_t row;
};

struct StepView {
    ColumnView cells;
    Fr factor;
};

// The scalar unit: its coefficients, operands, and columns.
struct ScalarView {
    const ColumnView *sources;
    const StepView *steps;
    uint64_t step_count;
    ColumnView product;
    ColumnView operand;
    ColumnView constant;
    DomainTables domain;
    const OperandCell *operands;
    const uint32_t *order;
    Fr *a;
    Fr *b;
    Fr *c;

    HD Fr fetch(const OperandCell &cell) const {
        switch (cell.kind) {
        case ZKINFER_NOTHING: return Fr::zero();
        case ZKINFER_FIRST_OPERAND: return a[cell.row];
        case ZKINFER_SECOND_OPERAND: return b[cell.row];
        case ZKINFER_RESULT: return c[cell.row];
        default: return sources[cell.kind - ZKINFER_SOURCE].cell(cell.row, domain);
        }
    }

    HD Fr step(uint64_t row) const {
        Fr sum = Fr::zero();
        for (uint64_t i = 0; i < step_count; ++i) {
            const Fr cell = steps[i].cells.cell(row, domain);
            if (!cell.is_zero()) sum += steps[i].factor * cell;
        }
        return sum;
    }

    // Copies a row's operands; returns what it adds to the result of the row before.
    HD Fr term(uint64_t row) const {
        const Fr left = fetch(operands[2 * row]);
        a[row] = left;
        const Fr right = fetch(operands[2 * row + 1]);
        b[row] = right;
        const Fr both = product.cell(row, domain);
        Fr sum = constant.cell(row, domain) + operand.cell(row, domain) * left;
        if (!both.is_zero()) sum += both * left * right;
        return sum;
    }

    // Whether the entry's row takes up the row before it, which is the entry before.
    HD bool goes_on(uint64_t first, uint64_t entry, const Fr &step) const {
        return entry > first && order[entry - 1] + 1 == order[entry] && !step.is_zero();
    }
};

// The terms of a wave, with the results of earlier waves that its runs begin with.
struct WaveTerms {
    static constexpr unsigned THREADS = 128;
    using Shared = Nothing;
    using Locals = Nothing;

    ScalarView unit;
    uint64_t first;
    uint64_t count;
    Fr *steps;
    Fr *reads;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t i = thread.global();
        if (i >= count) return;
        const uint64_t row = unit.order[first + i];
        Fr read = unit.term(row), step = unit.step(row);
        if (!unit.goes_on(first, first + i, step)) {
            if (row > 0 && !step.is_zero()) read += step * unit.c[row - 1];
            step = Fr::zero();
        }
        steps[i] = step;
        reads[i] = read;
    }
};

// Results into their rows.
struct WaveResults {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    ScalarView unit;
    uint64_t first;
    uint64_t count;
    const Fr *results;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t i = thread.global();
        if (i < count) unit.c[unit.order[first + i]] = results[i];
    }
};

struct Wave {
    uint64_t first;
    uint64_t count;
};

// Many waves by one block, a thread for each run of rows.
struct NarrowWaves {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    ScalarView unit;
    const Wave *waves;
    uint64_t count;

    HD unsigned phases() const { return static_cast<unsigned>(count); }

    HD void phase(unsigned phase, Thread thread, Shared &, Locals &) const {
        const Wave wave = waves[phase];
        for (uint64_t i = thread.index; i < wave.count; i += thread.count) {
            const uint64_t start = wave.first + i;
            Fr step = unit.step(unit.order[start]);
            if (unit.goes_on(wave.first, start, step)) continue;
            for (uint64_t entry = start; entry < wave.first + wave.count; ++entry) {
                const uint64_t row = unit.order[entry];
                if (entry > start) {
                    step = unit.step(row);
                    if (!unit.goes_on(wave.first, entry, step)) break;
                }
                Fr result = unit.term(row);
                if (row > 0 && !step.is_zero()) result += step * unit.c[row - 1];
                unit.c[row] = result;
            }
        }
    }
};

uint64_t rows_of(uint32_t k) {
    if (k > ScalarParameters::TWO_ADICITY) throw Failure(ZKINFER_INVALID, "a domain larger than 2^28");
    return uint64_t{1} << k;
}

} // namespace
} // namespace zkinfer

using namespace zkinfer;

int32_t zkinfer_sum_cells(zkinfer_context *context, uint32_t k, const zkinfer_cell_term *terms, const zkinfer_linear_form *forms,
                          uint64_t count, uint64_t rows, zkinfer_address to) {
    return guarded(context, [&](Context &context) {
        std::vector<CellTerm> views;
        std::vector<FormView> form_views;
        for (uint64_t number = 0; number < count; ++number) {
            const zkinfer_linear_form &form = forms[number];
            const auto first = static_cast<std::ptrdiff_t>(views.size());
            for (uint64_t i = 0; i < form.count; ++i, ++terms) {
                views.push_back(CellTerm{CellView(terms->cells, rows_of(k)), Fr::from_words(terms->factor)});
            }
            const auto is_integers = [](const CellTerm &term) { return term.cells.is_integers(); };
            const auto others = std::stable_partition(views.begin() + first, views.end(), is_integers);
            Fr constant = Fr::from_words(form.constant);
            for (auto view = views.begin() + first; view != others; ++view) {
                constant -= view->factor * Fr::natural(zero_digit(view->cells.column.width()));
            }
            const auto integers = static_cast<uint64_t>(others - views.begin() - first);
            form_views.push_back(FormView{static_cast<uint64_t>(first), integers, form.count, constant});
        }
        const Scratch<CellTerm> list(context, views);
        const Scratch<FormView> form_list(context, form_views);
        const uint64_t blocks = blocks_for(rows, SumCells::THREADS);
        launch(context, count * blocks, SumCells{form_list.get(), list.get(), blocks, at<Fr>(to), rows});
    });
}

int32_t zkinfer_add_products(zkinfer_context *context, uint32_t k, const zkinfer_product *products, uint64_t count, uint32_t mode,
                             uint64_t rows, zkinfer_address to) {
    return guarded(context, [&](Context &context) {
        if (mode > ZKINFER_AND_ADD) throw Failure(ZKINFER_INVALID, "products are set or added");
        std::vector<ProductView> views;
        std::vector<GateView> gates;
        for (uint64_t i = 0; i < count; ++i) {
            const zkinfer_product &product = products[i];
            const Fr factor = Fr::from_words(product.factor);
            views.push_back(ProductView{factor, gates.size(), product.gate_count, factor == Fr::one(), at<Fr>(product.operand),
                                        product.first, product.stride, product.count, product.shift});
            for (uint32_t j = 0; j < product.gate_count; ++j) {
                gates.push_back(GateView{CellView(product.gates[j].cells, rows_of(k)), product.gates[j].off});
            }
        }
        const Scratch<ProductView> list(context, views);
        const Scratch<GateView> gate_list(context, gates);
        const AddProducts kernel{list.get(), gate_list.get(), count, at<Fr>(to), rows, mode};
        launch(context, blocks_for(rows, AddProducts::THREADS), kernel);
    });
}

int32_t zkinfer_recurrence(zkinfer_context *context, zkinfer_address steps, zkinfer_address reads, uint64_t count) {
    return guarded(context, [&](Context &context) { recur(context, at<Fr>(steps), at<Fr>(reads), count); });
}

int32_t zkinfer_place(zkinfer_context *context, zkinfer_address to, uint64_t first, uint64_t stride, zkinfer_address from,
                      uint64_t count) {
    return guarded(context, [&](Context &context) {
        launch(context, blocks_for(count, Place::THREADS), Place{at<Fr>(to), at<Fr>(from), first, stride, count});
    });
}

int32_t zkinfer_scalar_rows(zkinfer_context *context, zkinfer_address domain, uint32_t k, const zkinfer_scalar_unit *unit) {
    return guarded(context, [&](Context &context) {
        const uint64_t rows = rows_of(k);
        std::vector<ColumnView> sources;
        for (uint64_t i = 0; i < unit->source_count; ++i) sources.push_back(ColumnView(unit->sources[i], rows));
        std::vector<StepView> steps;
        for (uint64_t i = 0; i < unit->step_count; ++i) {
            steps.push_back(StepView{ColumnView(unit->steps[i].column, rows), Fr::from_words(unit->steps[i].factor)});
        }
        std::vector<Wave> waves;
        uint64_t widest = 0;
        for (uint64_t i = 0; i < unit->wave_count; ++i) {
            const zkinfer_wave &wave = unit->waves[i];
            waves.push_back(Wave{wave.first, wave.count});
            if (wave.wide) widest = std::max(widest, wave.count);
        }
        const Scratch<ColumnView> source_list(context, sources);
        const Scratch<StepView> step_list(context, steps);
        const Scratch<Wave> wave_list(context, waves);
        const Scratch<Fr> wave_steps(context, widest), wave_reads(context, widest);
        const ScalarView view{source_list.get(),
                              step_list.get(),
                              unit->step_count,
                              ColumnView(unit->product, rows),
                              ColumnView(unit->operand, rows),
                              ColumnView(unit->constant, rows),
                              known_tables(domain, k),
                              at<OperandCell>(unit->operands),
                              at<uint32_t>(unit->order),
                              at<Fr>(unit->a),
                              at<Fr>(unit->b),
                              at<Fr>(unit->c)};
        for (uint64_t i = 0; i < waves.size();) {
            if (unit->waves[i].wide) {
                const auto [first, count] = waves[i++];
                launch(context, blocks_for(count, WaveTerms::THREADS), WaveTerms{view, first, count, wave_steps.get(), wave_reads.get()});
                recur(context, wave_steps.get(), wave_reads.get(), count);
                launch(context, blocks_for(count, WaveResults::THREADS), WaveResults{view, first, count, wave_reads.get()});
                continue;
            }
            uint64_t end = i;
            while (end < waves.size() && !unit->waves[end].wide) ++end;
            launch(context, 1, NarrowWaves{view, wave_list.get() + i, end - i});
            i = end;
        }
    });
}
