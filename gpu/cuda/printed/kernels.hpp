// Printed from `programs.txt` by `cargo run --example print_programs`, and compared with it by a test. Do not edit.
#pragma once

namespace zkinfer {
namespace {

struct Program_6e5b7941b24506ff {
    static constexpr uint32_t SLOTS = 5, SCALARS = 4, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 2, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 6}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 3, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.scalar(0) - row.cell(2, 1);
        const Fr v1 = v0 - row.cell(2, 2);
        const Fr v2 = v1 - row.cell(2, 3);
        const Fr v3 = v2 - row.cell(2, 4);
        const Fr v4 = v3 - row.cell(2, 5);
        const Fr v5 = v4 - row.cell(2, 6);
        const Fr v6 = row.cell(0, 0) * v5;
        const Fr v7 = row.scalar(1) + row.cell(3, 0);
        const Fr v8 = v7 * v6;
        const Fr v9 = v8 * row.scalar(2);
        const Fr v10 = row.cell(1, 0) * v5;
        const Fr v11 = row.scalar(1) + row.cell(4, 0);
        const Fr v12 = v11 * v10;
        const Fr v13 = v9 + v12 * row.scalar(3);
        return v13;
    }
};

struct Program_04d42b9a121e05c2 {
    static constexpr uint32_t SLOTS = 7, SCALARS = 5, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 3, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_COPY, 3, {ZKINFER_CELL, 5, 0}, {0, 0, 0}},
        {ZKINFER_SUM, 4, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_COPY, 5, {ZKINFER_CELL, 6, 0}, {0, 0, 0}},
        {ZKINFER_SUM, 6, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 1, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_SCALAR, 3, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_PRODUCT, 6, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 6, 0}},
        {ZKINFER_PRODUCT, 6, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 6, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_SCALAR, 4, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.scalar(0) - row.cell(3, 1);
        const Fr v1 = v0 - row.cell(3, 2);
        const Fr v2 = v1 - row.cell(3, 3);
        const Fr v3 = v2 - row.cell(3, 4);
        const Fr v4 = v3 - row.cell(3, 5);
        const Fr v5 = v4 - row.cell(3, 6);
        const Fr v6 = row.cell(2, 0) * v5;
        const Fr v7 = row.scalar(1) + row.cell(4, 0);
        const Fr v8 = v7 * v6;
        const Fr v9 = row.cell(5, 0);
        const Fr v10 = row.scalar(1) + v9;
        const Fr v11 = v10 * v8;
        const Fr v12 = row.cell(6, 0);
        const Fr v13 = row.scalar(1) + v12;
        const Fr v14 = v13 * v11;
        const Fr v15 = v14 * row.scalar(2);
        const Fr v16 = row.cell(1, 0) * v7;
        const Fr v17 = row.scalar(3) + v9;
        const Fr v18 = v12 + v17;
        const Fr v19 = v18 * v16;
        const Fr v20 = v15 + v19 * row.scalar(4);
        const Fr v21 = v10 * v13;
        const Fr v22 = row.cell(0, 0) * v21;
        const Fr v23 = v20 + v22 * row.scalar(4);
        return v23;
    }
};

struct Program_8549b660583e1900 {
    static constexpr uint32_t SLOTS = 5, SCALARS = 3, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 1, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.scalar(0) - row.cell(1, 1);
        const Fr v1 = v0 - row.cell(1, 2);
        const Fr v2 = v1 - row.cell(1, 3);
        const Fr v3 = v2 - row.cell(1, 4);
        const Fr v4 = v3 - row.cell(1, 5);
        const Fr v5 = v4 - row.cell(1, 6);
        const Fr v6 = row.cell(0, 1) * v5;
        const Fr v7 = row.scalar(1) + row.cell(2, 0);
        const Fr v8 = v7 * v6;
        const Fr v9 = row.scalar(1) + row.cell(3, 0);
        const Fr v10 = v9 * v8;
        const Fr v11 = row.scalar(1) + row.cell(4, 0);
        const Fr v12 = v11 * v10;
        const Fr v13 = v12 * row.scalar(2);
        return v13;
    }
};

struct Program_b93a071ada85553b {
    static constexpr uint32_t SLOTS = 4, SCALARS = 1, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 2, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 0, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(2, 0);
        const Fr v1 = v0 * row.cell(3, 0);
        const Fr v2 = v1 * row.cell(0, 0);
        const Fr v3 = v2 * row.scalar(0);
        const Fr v4 = v0 * row.cell(1, 0);
        const Fr v5 = v3 + v4 * row.scalar(0);
        return v5;
    }
};

struct Program_4f6b66c978f11108 {
    static constexpr uint32_t SLOTS = 8, SCALARS = 7, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 4, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 6}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 3, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 5, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 6, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 7, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 0, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 5, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 2, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 6, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr point = row.point();
        const Fr v0 = row.scalar(0) - row.cell(4, 1);
        const Fr v1 = v0 - row.cell(4, 2);
        const Fr v2 = v1 - row.cell(4, 3);
        const Fr v3 = v2 - row.cell(4, 4);
        const Fr v4 = v3 - row.cell(4, 5);
        const Fr v5 = v4 - row.cell(4, 6);
        const Fr v6 = row.cell(3, 1) * v5;
        const Fr v7 = row.scalar(1) + row.cell(5, 0);
        const Fr v8 = v7 * v6;
        const Fr v9 = row.scalar(1) + row.cell(6, 0);
        const Fr v10 = v9 * v8;
        const Fr v11 = row.scalar(1) + row.cell(7, 0);
        const Fr v12 = v11 * v10;
        const Fr v13 = v12 * row.scalar(2);
        const Fr v14 = row.cell(3, 0) * v5;
        const Fr v15 = point * row.scalar(3);
        const Fr v16 = row.cell(0, 0) + row.scalar(1);
        const Fr v17 = v16 + v15;
        const Fr v18 = v17 * v14;
        const Fr v19 = point * row.scalar(4);
        const Fr v20 = row.cell(1, 0) + row.scalar(1);
        const Fr v21 = v20 + v19;
        const Fr v22 = v21 * v18;
        const Fr v23 = point * row.scalar(5);
        const Fr v24 = row.cell(2, 0) + row.scalar(1);
        const Fr v25 = v24 + v23;
        const Fr v26 = v25 * v22;
        const Fr v27 = v13 + v26 * row.scalar(6);
        return v27;
    }
};

struct Program_5ba28eca00e57070 {
    static constexpr uint32_t SLOTS = 8, SCALARS = 7, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 4, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 6}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 3, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 5, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 6, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 7, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_SCALAR, 3, 0}, {ZKINFER_POINT, 0, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 0, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 5, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 2, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 6, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr point = row.point();
        const Fr v0 = row.scalar(0) - row.cell(4, 1);
        const Fr v1 = v0 - row.cell(4, 2);
        const Fr v2 = v1 - row.cell(4, 3);
        const Fr v3 = v2 - row.cell(4, 4);
        const Fr v4 = v3 - row.cell(4, 5);
        const Fr v5 = v4 - row.cell(4, 6);
        const Fr v6 = row.cell(3, 1) * v5;
        const Fr v7 = row.scalar(1) + row.cell(5, 0);
        const Fr v8 = v7 * v6;
        const Fr v9 = row.scalar(1) + row.cell(6, 0);
        const Fr v10 = v9 * v8;
        const Fr v11 = row.scalar(1) + row.cell(7, 0);
        const Fr v12 = v11 * v10;
        const Fr v13 = v12 * row.scalar(2);
        const Fr v14 = row.cell(3, 0) * v5;
        const Fr v15 = row.scalar(3) * point;
        const Fr v16 = row.cell(0, 0) + row.scalar(1);
        const Fr v17 = v16 + v15;
        const Fr v18 = v17 * v14;
        const Fr v19 = point * row.scalar(4);
        const Fr v20 = row.cell(1, 0) + row.scalar(1);
        const Fr v21 = v20 + v19;
        const Fr v22 = v21 * v18;
        const Fr v23 = point * row.scalar(5);
        const Fr v24 = row.cell(2, 0) + row.scalar(1);
        const Fr v25 = v24 + v23;
        const Fr v26 = v25 * v22;
        const Fr v27 = v13 + v26 * row.scalar(6);
        return v27;
    }
};

struct Program_109681f4078524ba {
    static constexpr uint32_t SLOTS = 5, SCALARS = 6, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 4, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 0, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 2, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 5, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr point = row.point();
        const Fr v0 = row.scalar(0) - row.cell(4, 1);
        const Fr v1 = v0 - row.cell(4, 2);
        const Fr v2 = v1 - row.cell(4, 3);
        const Fr v3 = v2 - row.cell(4, 4);
        const Fr v4 = v3 - row.cell(4, 5);
        const Fr v5 = v4 - row.cell(4, 6);
        const Fr v6 = row.cell(3, 0) * v5;
        const Fr v7 = point * row.scalar(1);
        const Fr v8 = row.cell(0, 0) + row.scalar(2);
        const Fr v9 = v8 + v7;
        const Fr v10 = v9 * v6;
        const Fr v11 = point * row.scalar(3);
        const Fr v12 = row.cell(1, 0) + row.scalar(2);
        const Fr v13 = v12 + v11;
        const Fr v14 = v13 * v10;
        const Fr v15 = point * row.scalar(4);
        const Fr v16 = row.cell(2, 0) + row.scalar(2);
        const Fr v17 = v16 + v15;
        const Fr v18 = v17 * v14;
        const Fr v19 = v18 * row.scalar(5);
        return v19;
    }
};

struct Program_0b3a6ddeebd3e56c {
    static constexpr uint32_t SLOTS = 6, SCALARS = 5, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 2, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 6}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 1, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_COPY, 4, {ZKINFER_CELL, 4, 0}, {0, 0, 0}},
        {ZKINFER_SUM, 5, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_COPY, 6, {ZKINFER_CELL, 5, 0}, {0, 0, 0}},
        {ZKINFER_SUM, 7, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_REGISTER, 6, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_SUM, 4, {ZKINFER_SCALAR, 3, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_SUM, 4, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_PRODUCT, 7, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 7, 0}},
        {ZKINFER_PRODUCT, 7, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 7, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_SCALAR, 4, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.scalar(0) - row.cell(2, 1);
        const Fr v1 = v0 - row.cell(2, 2);
        const Fr v2 = v1 - row.cell(2, 3);
        const Fr v3 = v2 - row.cell(2, 4);
        const Fr v4 = v3 - row.cell(2, 5);
        const Fr v5 = v4 - row.cell(2, 6);
        const Fr v6 = row.cell(1, 0) * v5;
        const Fr v7 = row.scalar(1) + row.cell(3, 0);
        const Fr v8 = v7 * v6;
        const Fr v9 = row.cell(4, 0);
        const Fr v10 = row.scalar(1) + v9;
        const Fr v11 = v10 * v8;
        const Fr v12 = row.cell(5, 0);
        const Fr v13 = row.scalar(1) + v12;
        const Fr v14 = v13 * v11;
        const Fr v15 = v14 * row.scalar(2);
        const Fr v16 = v5 * v7;
        const Fr v17 = row.scalar(3) + v9;
        const Fr v18 = v12 + v17;
        const Fr v19 = v18 * v16;
        const Fr v20 = v15 + v19 * row.scalar(4);
        const Fr v21 = v10 * v13;
        const Fr v22 = row.cell(0, 0) * v21;
        const Fr v23 = v20 + v22 * row.scalar(4);
        return v23;
    }
};

struct Program_3a737a3ef77d9c5a {
    static constexpr uint32_t SLOTS = 4, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 0}, {ZKINFER_CELL, 0, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 2, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(3, 0) * row.cell(0, 0);
        const Fr v1 = v0 * row.scalar(0);
        const Fr v2 = row.cell(2, 0);
        const Fr v3 = v0 * v2;
        const Fr v4 = v1 + v3 * row.scalar(1);
        const Fr v5 = v2 * row.cell(1, 0);
        const Fr v6 = v4 + v5 * row.scalar(1);
        return v6;
    }
};

struct Program_d250b0073d04c52a {
    static constexpr uint32_t SLOTS = 5, SCALARS = 6, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 2, 6}, {0, 0, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 2, 5}, {0, 0, 0}},
        {ZKINFER_COPY, 3, {ZKINFER_CELL, 2, 4}, {0, 0, 0}},
        {ZKINFER_COPY, 4, {ZKINFER_CELL, 2, 3}, {0, 0, 0}},
        {ZKINFER_COPY, 5, {ZKINFER_CELL, 2, 2}, {0, 0, 0}},
        {ZKINFER_COPY, 6, {ZKINFER_CELL, 2, 1}, {0, 0, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_REGISTER, 6, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 8, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 7, 0}},
        {ZKINFER_SUM, 9, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_PRODUCT, 8, {ZKINFER_REGISTER, 9, 0}, {ZKINFER_REGISTER, 8, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 8, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_PRODUCT, 8, {ZKINFER_CELL, 1, -1}, {ZKINFER_REGISTER, 7, 0}},
        {ZKINFER_DIFFERENCE, 9, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 9, 0}, {ZKINFER_REGISTER, 6, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 8, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 8, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 8, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_DIFFERENCE, 5, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_DIFFERENCE, 4, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_DIFFERENCE, 3, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 7}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_SCALAR, 4, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 5, 0}},
        {ZKINFER_PRODUCT, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 7, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(2, 6);
        const Fr v1 = row.cell(2, 5);
        const Fr v2 = row.cell(2, 4);
        const Fr v3 = row.cell(2, 3);
        const Fr v4 = row.cell(2, 2);
        const Fr v5 = row.cell(2, 1);
        const Fr v6 = row.scalar(0) - v5;
        const Fr v7 = v6 - v4;
        const Fr v8 = v7 - v3;
        const Fr v9 = v8 - v2;
        const Fr v10 = v9 - v1;
        const Fr v11 = v10 - v0;
        const Fr v12 = row.cell(0, 0) * v11;
        const Fr v13 = row.scalar(1) + row.cell(3, 0);
        const Fr v14 = v13 * v12;
        const Fr v15 = v14 * row.scalar(2);
        const Fr v16 = row.cell(1, -1) * v11;
        const Fr v17 = row.scalar(0) - row.cell(2, 0);
        const Fr v18 = v17 - v5;
        const Fr v19 = v18 - v4;
        const Fr v20 = v19 - v3;
        const Fr v21 = v20 - v2;
        const Fr v22 = v21 - v1;
        const Fr v23 = v22 * v16;
        const Fr v24 = v15 + v23 * row.scalar(3);
        const Fr v25 = row.scalar(0) - v4;
        const Fr v26 = v25 - v3;
        const Fr v27 = v26 - v2;
        const Fr v28 = v27 - v1;
        const Fr v29 = v28 - v0;
        const Fr v30 = v29 - row.cell(2, 7);
        const Fr v31 = row.scalar(4) * v30;
        const Fr v32 = row.scalar(0) + v31;
        const Fr v33 = v11 * v32;
        const Fr v34 = row.cell(1, 0) * v33;
        const Fr v35 = v24 + v34 * row.scalar(5);
        const Fr v36 = v11 * row.cell(4, 0);
        const Fr v37 = v35 + v36;
        return v37;
    }
};

struct Program_b49389eef9d28d9e {
    static constexpr uint32_t SLOTS = 5, SCALARS = 6, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 4, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_POINT, 0, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 0, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 2, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 5, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr point = row.point();
        const Fr v0 = row.scalar(0) - row.cell(4, 1);
        const Fr v1 = v0 - row.cell(4, 2);
        const Fr v2 = v1 - row.cell(4, 3);
        const Fr v3 = v2 - row.cell(4, 4);
        const Fr v4 = v3 - row.cell(4, 5);
        const Fr v5 = v4 - row.cell(4, 6);
        const Fr v6 = row.cell(3, 0) * v5;
        const Fr v7 = row.scalar(1) * point;
        const Fr v8 = row.cell(0, 0) + row.scalar(2);
        const Fr v9 = v8 + v7;
        const Fr v10 = v9 * v6;
        const Fr v11 = point * row.scalar(3);
        const Fr v12 = row.cell(1, 0) + row.scalar(2);
        const Fr v13 = v12 + v11;
        const Fr v14 = v13 * v10;
        const Fr v15 = point * row.scalar(4);
        const Fr v16 = row.cell(2, 0) + row.scalar(2);
        const Fr v17 = v16 + v15;
        const Fr v18 = v17 * v14;
        const Fr v19 = v18 * row.scalar(5);
        return v19;
    }
};

struct Program_1ea325954d767861 {
    static constexpr uint32_t SLOTS = 7, SCALARS = 8, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 3, 6}, {0, 0, 0}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 3, 1}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 3, 2}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 3, 3}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 3, 4}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 3, 5}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_COPY, 3, {ZKINFER_CELL, 2, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 4, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 5, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 6, {ZKINFER_CELL, 0, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 5, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_PRODUCT, 4, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_PRODUCT, 5, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_SUM, 6, {ZKINFER_SCALAR, 2, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM, 5, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_PRODUCT, 4, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 2, 1}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM, 4, {ZKINFER_SCALAR, 2, 0}, {ZKINFER_CELL, 5, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM, 4, {ZKINFER_SCALAR, 2, 0}, {ZKINFER_CELL, 6, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 0, -1}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 5, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 6, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 7, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr point = row.point();
        const Fr v0 = row.cell(3, 6);
        const Fr v1 = row.scalar(0) - row.cell(3, 1);
        const Fr v2 = v1 - row.cell(3, 2);
        const Fr v3 = v2 - row.cell(3, 3);
        const Fr v4 = v3 - row.cell(3, 4);
        const Fr v5 = v4 - row.cell(3, 5);
        const Fr v6 = v5 - v0;
        const Fr v7 = row.cell(2, 0);
        const Fr v8 = v7 * v6;
        const Fr v9 = point * row.scalar(1);
        const Fr v10 = row.cell(0, 0) + row.scalar(2);
        const Fr v11 = v10 + v9;
        const Fr v12 = v11 * v8;
        const Fr v13 = point * row.scalar(3);
        const Fr v14 = row.scalar(2) + row.cell(1, 0);
        const Fr v15 = v14 + v13;
        const Fr v16 = v15 * v12;
        const Fr v17 = v16 * row.scalar(4);
        const Fr v18 = row.cell(2, 1) * v6;
        const Fr v19 = row.scalar(2) + row.cell(5, 0);
        const Fr v20 = v19 * v18;
        const Fr v21 = row.scalar(2) + row.cell(6, 0);
        const Fr v22 = v21 * v20;
        const Fr v23 = v17 + v22;
        const Fr v24 = row.cell(0, -1) * row.cell(4, 0);
        const Fr v25 = v23 + v24 * row.scalar(5);
        const Fr v26 = v7 * v7;
        const Fr v27 = v26 * v0;
        const Fr v28 = v25 + v27 * row.scalar(6);
        const Fr v29 = v7 * v0;
        const Fr v30 = v28 + v29 * row.scalar(7);
        return v30;
    }
};

struct Program_f2dd9db782500b70 {
    static constexpr uint32_t SLOTS = 5, SCALARS = 5, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 2, 6}, {0, 0, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 2, 5}, {0, 0, 0}},
        {ZKINFER_COPY, 3, {ZKINFER_CELL, 2, 4}, {0, 0, 0}},
        {ZKINFER_COPY, 4, {ZKINFER_CELL, 2, 3}, {0, 0, 0}},
        {ZKINFER_COPY, 5, {ZKINFER_CELL, 2, 2}, {0, 0, 0}},
        {ZKINFER_COPY, 6, {ZKINFER_CELL, 2, 1}, {0, 0, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_REGISTER, 6, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 8, {ZKINFER_CELL, 0, -1}, {ZKINFER_REGISTER, 7, 0}},
        {ZKINFER_DIFFERENCE, 9, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 9, 0}, {ZKINFER_REGISTER, 6, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 8, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 8, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 8, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_DIFFERENCE, 5, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_DIFFERENCE, 4, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_DIFFERENCE, 3, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 7}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_SCALAR, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_PRODUCT, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 7, 0}},
        {ZKINFER_PRODUCT, 7, {ZKINFER_CELL, 1, -1}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_SCALAR, 4, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(2, 6);
        const Fr v1 = row.cell(2, 5);
        const Fr v2 = row.cell(2, 4);
        const Fr v3 = row.cell(2, 3);
        const Fr v4 = row.cell(2, 2);
        const Fr v5 = row.cell(2, 1);
        const Fr v6 = row.scalar(0) - v5;
        const Fr v7 = v6 - v4;
        const Fr v8 = v7 - v3;
        const Fr v9 = v8 - v2;
        const Fr v10 = v9 - v1;
        const Fr v11 = v10 - v0;
        const Fr v12 = row.cell(0, -1) * v11;
        const Fr v13 = row.scalar(0) - row.cell(2, 0);
        const Fr v14 = v13 - v5;
        const Fr v15 = v14 - v4;
        const Fr v16 = v15 - v3;
        const Fr v17 = v16 - v2;
        const Fr v18 = v17 - v1;
        const Fr v19 = v18 * v12;
        const Fr v20 = v19 * row.scalar(1);
        const Fr v21 = row.scalar(0) - v4;
        const Fr v22 = v21 - v3;
        const Fr v23 = v22 - v2;
        const Fr v24 = v23 - v1;
        const Fr v25 = v24 - v0;
        const Fr v26 = v25 - row.cell(2, 7);
        const Fr v27 = row.scalar(2) * v26;
        const Fr v28 = row.scalar(0) + v27;
        const Fr v29 = v11 * v28;
        const Fr v30 = row.cell(0, 0) * v29;
        const Fr v31 = v20 + v30 * row.scalar(3);
        const Fr v32 = v11 * row.cell(4, 0);
        const Fr v33 = v31 + v32;
        const Fr v34 = row.cell(1, -1) * row.cell(3, 0);
        const Fr v35 = v33 + v34 * row.scalar(4);
        return v35;
    }
};

struct Program_2cb08c87e2a97e16 {
    static constexpr uint32_t SLOTS = 4, SCALARS = 3, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 0}, {ZKINFER_CELL, 0, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 1}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(3, 0) * row.cell(0, 0);
        const Fr v1 = v0 * row.scalar(0);
        const Fr v2 = v0 * row.cell(1, 0);
        const Fr v3 = v1 + v2 * row.scalar(1);
        const Fr v4 = row.cell(3, 1) * row.cell(2, 0);
        const Fr v5 = v3 + v4 * row.scalar(2);
        return v5;
    }
};

struct Program_e5b3af5aec488810 {
    static constexpr uint32_t SLOTS = 6, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 0, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 4, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_COPY, 3, {ZKINFER_CELL, 2, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 5, 1}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 4, 1}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(0, 0);
        const Fr v1 = row.cell(4, 0) * v0;
        const Fr v2 = v1 * row.scalar(0);
        const Fr v3 = row.cell(2, 0);
        const Fr v4 = v1 * v3;
        const Fr v5 = v2 + v4 * row.scalar(1);
        const Fr v6 = v0 * row.cell(3, 0);
        const Fr v7 = v6 * row.cell(5, 1);
        const Fr v8 = v5 + v7 * row.scalar(0);
        const Fr v9 = v3 * v7;
        const Fr v10 = v8 + v9 * row.scalar(1);
        const Fr v11 = row.cell(4, 1) * row.cell(1, 0);
        const Fr v12 = v10 + v11 * row.scalar(0);
        const Fr v13 = v11 * v3;
        const Fr v14 = v12 + v13 * row.scalar(1);
        return v14;
    }
};

struct Program_a966794b96a3a128 {
    static constexpr uint32_t SLOTS = 4, SCALARS = 0, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 0, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 2, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_COPY, 0, {ZKINFER_REGISTER, 2, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(0, 0);
        const Fr v1 = v0 * row.cell(1, 0);
        const Fr v2 = row.cell(2, 0) * v1;
        const Fr v3 = v2;
        const Fr v4 = v0 * row.cell(3, 0);
        const Fr v5 = v3 + v4;
        return v5;
    }
};

struct Program_1b54c80253d05fde {
    static constexpr uint32_t SLOTS = 4, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 0}, {ZKINFER_CELL, 0, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 2, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 1}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(3, 0) * row.cell(0, 0);
        const Fr v1 = v0 * row.scalar(0);
        const Fr v2 = row.cell(2, 0);
        const Fr v3 = v0 * v2;
        const Fr v4 = v1 + v3 * row.scalar(1);
        const Fr v5 = row.cell(3, 1) * row.cell(1, 0);
        const Fr v6 = v4 + v5 * row.scalar(0);
        const Fr v7 = v5 * v2;
        const Fr v8 = v6 + v7 * row.scalar(1);
        return v8;
    }
};

struct Program_7e5d6a7161e1ec13 {
    static constexpr uint32_t SLOTS = 4, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_CELL, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 2, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(1, 0) * row.cell(0, 0);
        const Fr v1 = row.cell(2, 1) * v0;
        const Fr v2 = v1 * row.scalar(0);
        const Fr v3 = row.cell(3, 1) * v0;
        const Fr v4 = v2 + v3 * row.scalar(1);
        return v4;
    }
};

struct Program_cde426acdaa0e185 {
    static constexpr uint32_t SLOTS = 4, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, -1}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, -1}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(0, -1) * row.cell(2, 0);
        const Fr v1 = v0 * row.scalar(0);
        const Fr v2 = row.cell(1, -1) * row.cell(3, 0);
        const Fr v3 = v1 + v2 * row.scalar(1);
        return v3;
    }
};

struct Program_5a7f1c79ef1ca468 {
    static constexpr uint32_t SLOTS = 5, SCALARS = 0, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 2, 0}, {0, 0, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 0, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_CELL, 3, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_COPY, 0, {ZKINFER_REGISTER, 3, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 1, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 4, 1}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 2, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(2, 0);
        const Fr v1 = row.cell(0, 0);
        const Fr v2 = v1 * v0;
        const Fr v3 = row.cell(3, 0) * v2;
        const Fr v4 = v3;
        const Fr v5 = v1 * row.cell(4, 0);
        const Fr v6 = v4 + v5;
        const Fr v7 = row.cell(1, 0);
        const Fr v8 = v7 * v0;
        const Fr v9 = row.cell(3, 1) * v8;
        const Fr v10 = v6 + v9;
        const Fr v11 = v7 * row.cell(4, 1);
        const Fr v12 = v10 + v11;
        return v12;
    }
};

struct Program_e71024b9ea8fe24e {
    static constexpr uint32_t SLOTS = 4, SCALARS = 3, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 1, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_CELL, 3, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.scalar(0) - row.cell(1, 1);
        const Fr v1 = v0 - row.cell(1, 2);
        const Fr v2 = v1 - row.cell(1, 3);
        const Fr v3 = v2 - row.cell(1, 4);
        const Fr v4 = v3 - row.cell(1, 5);
        const Fr v5 = v4 - row.cell(1, 6);
        const Fr v6 = row.cell(0, 0) * v5;
        const Fr v7 = row.scalar(1) + row.cell(2, 0);
        const Fr v8 = v7 * v6;
        const Fr v9 = v8 * row.scalar(2);
        const Fr v10 = v9 + row.cell(3, 0);
        return v10;
    }
};

struct Program_824048d6b4225a91 {
    static constexpr uint32_t SLOTS = 6, SCALARS = 4, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 2, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, -1}, {ZKINFER_CELL, 0, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 1, {ZKINFER_SCALAR, 3, 0}, {ZKINFER_CELL, 3, -6}},
        {ZKINFER_SUM, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_CELL, 5, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.scalar(0) - row.cell(2, 1);
        const Fr v1 = v0 - row.cell(2, 2);
        const Fr v2 = v1 - row.cell(2, 3);
        const Fr v3 = v2 - row.cell(2, 4);
        const Fr v4 = v3 - row.cell(2, 5);
        const Fr v5 = v4 - row.cell(2, 6);
        const Fr v6 = row.cell(1, 0) * v5;
        const Fr v7 = v6 * row.scalar(1);
        const Fr v8 = row.cell(1, -1) * row.cell(0, 0);
        const Fr v9 = v7 + v8 * row.scalar(2);
        const Fr v10 = row.scalar(3) + row.cell(3, -6);
        const Fr v11 = v10 + row.cell(4, 0);
        const Fr v12 = row.cell(2, 0) * v11;
        const Fr v13 = v9 + v12;
        const Fr v14 = v13 + row.cell(5, 0);
        return v14;
    }
};

struct Program_20e90677979ed7cb {
    static constexpr uint32_t SLOTS = 5, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 1, 0}, {0, 0, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 0, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_CELL, 2, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_CELL, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 2, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(1, 0);
        const Fr v1 = row.cell(0, 0);
        const Fr v2 = row.cell(2, 0) * v1;
        const Fr v3 = v2 * v0;
        const Fr v4 = v3 * row.scalar(0);
        const Fr v5 = row.cell(3, 0) * v1;
        const Fr v6 = v5 * v0;
        const Fr v7 = v4 + v6 * row.scalar(1);
        const Fr v8 = v1 * row.cell(4, 0);
        const Fr v9 = v7 + v8;
        return v9;
    }
};

struct Program_b4dfbdb4888b1f67 {
    static constexpr uint32_t SLOTS = 3, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 2, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 2, -1}, {ZKINFER_CELL, 0, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(2, 0) * row.cell(1, 0);
        const Fr v1 = v0 * row.scalar(0);
        const Fr v2 = row.cell(2, -1) * row.cell(0, 0);
        const Fr v3 = v1 + v2 * row.scalar(1);
        return v3;
    }
};

struct Program_cac8b765451e9bd9 {
    static constexpr uint32_t SLOTS = 4, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 1, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_COPY, 0, {ZKINFER_REGISTER, 1, 0}, {0, 0, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.scalar(0) - row.cell(1, 1);
        const Fr v1 = v0 - row.cell(1, 2);
        const Fr v2 = v1 - row.cell(1, 3);
        const Fr v3 = v2 - row.cell(1, 4);
        const Fr v4 = v3 - row.cell(1, 5);
        const Fr v5 = v4 - row.cell(1, 6);
        const Fr v6 = row.cell(0, 1) * v5;
        const Fr v7 = row.scalar(1) + row.cell(2, 0);
        const Fr v8 = v7 * v6;
        const Fr v9 = row.scalar(1) + row.cell(3, 0);
        const Fr v10 = v9 * v8;
        const Fr v11 = v10;
        return v11;
    }
};

struct Program_a5a73692db150c7d {
    static constexpr uint32_t SLOTS = 4, SCALARS = 5, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 3, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 0, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_SCALAR, 2, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 4, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr point = row.point();
        const Fr v0 = row.scalar(0) - row.cell(3, 1);
        const Fr v1 = v0 - row.cell(3, 2);
        const Fr v2 = v1 - row.cell(3, 3);
        const Fr v3 = v2 - row.cell(3, 4);
        const Fr v4 = v3 - row.cell(3, 5);
        const Fr v5 = v4 - row.cell(3, 6);
        const Fr v6 = row.cell(2, 0) * v5;
        const Fr v7 = point * row.scalar(1);
        const Fr v8 = row.cell(0, 0) + row.scalar(2);
        const Fr v9 = v8 + v7;
        const Fr v10 = v9 * v6;
        const Fr v11 = point * row.scalar(3);
        const Fr v12 = row.scalar(2) + row.cell(1, 0);
        const Fr v13 = v12 + v11;
        const Fr v14 = v13 * v10;
        const Fr v15 = v14 * row.scalar(4);
        return v15;
    }
};

struct Program_83b2cfd8e48ccdaa {
    static constexpr uint32_t SLOTS = 5, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, -1}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_SUM, 1, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 3, -6}},
        {ZKINFER_SUM, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(0, -1) * row.cell(2, 0);
        const Fr v1 = v0 * row.scalar(0);
        const Fr v2 = row.scalar(1) + row.cell(3, -6);
        const Fr v3 = v2 + row.cell(4, 0);
        const Fr v4 = row.cell(1, 0) * v3;
        const Fr v5 = v1 + v4;
        return v5;
    }
};

struct Program_33d184b3c6bf9247 {
    static constexpr uint32_t SLOTS = 5, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 0, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 1, 1}, {ZKINFER_CELL, 2, 1}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 1}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 4, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(0, 0);
        const Fr v1 = row.cell(1, 1) * row.cell(2, 1);
        const Fr v2 = v1 * v0;
        const Fr v3 = v2 * row.scalar(0);
        const Fr v4 = v0 * row.cell(3, 1);
        const Fr v5 = row.cell(4, 1) * v4;
        const Fr v6 = v3 + v5 * row.scalar(1);
        return v6;
    }
};

struct Program_058ffa74d93f748a {
    static constexpr uint32_t SLOTS = 6, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 4, 0}, {ZKINFER_CELL, 0, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 2, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 4, 1}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 5, 1}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(4, 0) * row.cell(0, 0);
        const Fr v1 = v0 * row.scalar(0);
        const Fr v2 = row.cell(2, 0);
        const Fr v3 = v0 * v2;
        const Fr v4 = v1 + v3 * row.scalar(1);
        const Fr v5 = row.cell(4, 1);
        const Fr v6 = v5 * row.cell(1, 0);
        const Fr v7 = v4 + v6 * row.scalar(0);
        const Fr v8 = v6 * v2;
        const Fr v9 = v7 + v8 * row.scalar(1);
        const Fr v10 = v5 * row.cell(5, 1);
        const Fr v11 = v10 * row.cell(3, 0);
        const Fr v12 = v9 + v11 * row.scalar(1);
        return v12;
    }
};

struct Program_cc4d0dc7282713d6 {
    static constexpr uint32_t SLOTS = 5, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 2, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_COPY, 0, {ZKINFER_REGISTER, 1, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_CELL, 0, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_CELL, 4, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.scalar(0) - row.cell(2, 1);
        const Fr v1 = v0 - row.cell(2, 2);
        const Fr v2 = v1 - row.cell(2, 3);
        const Fr v3 = v2 - row.cell(2, 4);
        const Fr v4 = v3 - row.cell(2, 5);
        const Fr v5 = v4 - row.cell(2, 6);
        const Fr v6 = v5 * row.cell(3, 0);
        const Fr v7 = v6;
        const Fr v8 = row.cell(1, 0) * row.cell(0, 0);
        const Fr v9 = v7 + v8 * row.scalar(1);
        const Fr v10 = v9 + row.cell(4, 0);
        return v10;
    }
};

struct Program_b0b4792d39d13f3c {
    static constexpr uint32_t SLOTS = 5, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 0, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(1, 0) * row.cell(2, 0);
        const Fr v1 = row.cell(0, 0);
        const Fr v2 = v1 * v0;
        const Fr v3 = v2 * row.scalar(0);
        const Fr v4 = row.cell(3, 0) * row.cell(4, 0);
        const Fr v5 = v1 * v4;
        const Fr v6 = v3 + v5 * row.scalar(1);
        return v6;
    }
};

struct Program_8ed6622819a684c9 {
    static constexpr uint32_t SLOTS = 5, SCALARS = 3, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 2, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 3, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 4, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(2, 0) * row.cell(1, 0);
        const Fr v1 = row.cell(3, 1) * v0;
        const Fr v2 = v1 * row.scalar(0);
        const Fr v3 = row.cell(4, 1) * v0;
        const Fr v4 = v2 + v3 * row.scalar(1);
        const Fr v5 = row.cell(3, 0) * row.cell(4, 0);
        const Fr v6 = row.cell(0, 0) * v5;
        const Fr v7 = v4 + v6 * row.scalar(2);
        return v7;
    }
};

struct Program_cd3e285a77825a04 {
    static constexpr uint32_t SLOTS = 6, SCALARS = 5, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 3, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 2, -1}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 1, {ZKINFER_SCALAR, 3, 0}, {ZKINFER_CELL, 4, -6}},
        {ZKINFER_SUM, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 5, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.scalar(0) - row.cell(3, 1);
        const Fr v1 = v0 - row.cell(3, 2);
        const Fr v2 = v1 - row.cell(3, 3);
        const Fr v3 = v2 - row.cell(3, 4);
        const Fr v4 = v3 - row.cell(3, 5);
        const Fr v5 = v4 - row.cell(3, 6);
        const Fr v6 = row.cell(2, 0) * v5;
        const Fr v7 = v6 * row.scalar(1);
        const Fr v8 = row.cell(2, -1) * row.cell(1, 0);
        const Fr v9 = v7 + v8 * row.scalar(2);
        const Fr v10 = row.scalar(3) + row.cell(4, -6);
        const Fr v11 = v10 + row.cell(5, 0);
        const Fr v12 = row.cell(3, 0) * v11;
        const Fr v13 = v9 + v12;
        const Fr v14 = row.cell(0, 0) * row.scalar(4);
        const Fr v15 = v13 + v14;
        return v15;
    }
};

struct Program_660862aaa22ccf63 {
    static constexpr uint32_t SLOTS = 4, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, -1}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(0, 0) * row.cell(3, 0);
        const Fr v1 = v0 * row.scalar(0);
        const Fr v2 = row.cell(1, -1) * row.cell(2, 0);
        const Fr v3 = v1 + v2 * row.scalar(1);
        return v3;
    }
};

struct Program_0a3a4b48e21b4b7a {
    static constexpr uint32_t SLOTS = 6, SCALARS = 4, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 2, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 2, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, -1}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_CELL, 5, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.scalar(0) - row.cell(2, 1);
        const Fr v1 = v0 - row.cell(2, 2);
        const Fr v2 = v1 - row.cell(2, 3);
        const Fr v3 = v2 - row.cell(2, 4);
        const Fr v4 = v3 - row.cell(2, 5);
        const Fr v5 = v4 - row.cell(2, 6);
        const Fr v6 = row.cell(0, 0) * v5;
        const Fr v7 = row.scalar(1) + row.cell(3, 0);
        const Fr v8 = v7 * v6;
        const Fr v9 = v8 * row.scalar(2);
        const Fr v10 = row.cell(1, -1) * row.cell(4, 0);
        const Fr v11 = v9 + v10 * row.scalar(3);
        const Fr v12 = v11 + row.cell(5, 0);
        return v12;
    }
};

struct Program_4aa58ab85e0288bd {
    static constexpr uint32_t SLOTS = 4, SCALARS = 0, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 2, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_COPY, 0, {ZKINFER_REGISTER, 2, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(2, 0);
        const Fr v1 = row.cell(0, 0) * v0;
        const Fr v2 = row.cell(3, 0) * v1;
        const Fr v3 = v2;
        const Fr v4 = row.cell(1, 0) * v0;
        const Fr v5 = row.cell(3, 1) * v4;
        const Fr v6 = v3 + v5;
        return v6;
    }
};

struct Program_dc45c7ff249ef95f {
    static constexpr uint32_t SLOTS = 6, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_SUM, 1, {ZKINFER_CELL, 4, 0}, {ZKINFER_CELL, 5, 1}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_COPY, 0, {ZKINFER_REGISTER, 1, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 0}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, -1}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(4, 0) + row.cell(5, 1);
        const Fr v1 = row.cell(0, 0) * v0;
        const Fr v2 = v1;
        const Fr v3 = row.cell(3, 0) * row.cell(2, 0);
        const Fr v4 = v2 + v3 * row.scalar(0);
        const Fr v5 = row.cell(3, -1) * row.cell(1, 0);
        const Fr v6 = v4 + v5 * row.scalar(1);
        return v6;
    }
};

struct Program_f5381ac3cef4a548 {
    static constexpr uint32_t SLOTS = 5, SCALARS = 0, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 2, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_COPY, 0, {ZKINFER_REGISTER, 2, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 4, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(2, 0);
        const Fr v1 = row.cell(0, 0) * v0;
        const Fr v2 = row.cell(3, 0) * v1;
        const Fr v3 = v2;
        const Fr v4 = row.cell(1, 0) * v0;
        const Fr v5 = row.cell(4, 0) * v4;
        const Fr v6 = v3 + v5;
        return v6;
    }
};

struct Program_76cc2a782cb8c59c {
    static constexpr uint32_t SLOTS = 5, SCALARS = 5, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 3, 6}, {0, 0, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 3, 5}, {0, 0, 0}},
        {ZKINFER_COPY, 3, {ZKINFER_CELL, 3, 4}, {0, 0, 0}},
        {ZKINFER_COPY, 4, {ZKINFER_CELL, 3, 3}, {0, 0, 0}},
        {ZKINFER_COPY, 5, {ZKINFER_CELL, 3, 2}, {0, 0, 0}},
        {ZKINFER_COPY, 6, {ZKINFER_CELL, 3, 1}, {0, 0, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_REGISTER, 6, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_DIFFERENCE, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 8, {ZKINFER_CELL, 1, -1}, {ZKINFER_REGISTER, 7, 0}},
        {ZKINFER_DIFFERENCE, 9, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 9, 0}, {ZKINFER_REGISTER, 6, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_DIFFERENCE, 6, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 8, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 8, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 8, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_DIFFERENCE, 5, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_DIFFERENCE, 4, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_DIFFERENCE, 3, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 7}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_SCALAR, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_PRODUCT, 7, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 7, 0}},
        {ZKINFER_PRODUCT, 7, {ZKINFER_CELL, 2, -1}, {ZKINFER_CELL, 0, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 7, 0}, {ZKINFER_SCALAR, 4, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(3, 6);
        const Fr v1 = row.cell(3, 5);
        const Fr v2 = row.cell(3, 4);
        const Fr v3 = row.cell(3, 3);
        const Fr v4 = row.cell(3, 2);
        const Fr v5 = row.cell(3, 1);
        const Fr v6 = row.scalar(0) - v5;
        const Fr v7 = v6 - v4;
        const Fr v8 = v7 - v3;
        const Fr v9 = v8 - v2;
        const Fr v10 = v9 - v1;
        const Fr v11 = v10 - v0;
        const Fr v12 = row.cell(1, -1) * v11;
        const Fr v13 = row.scalar(0) - row.cell(3, 0);
        const Fr v14 = v13 - v5;
        const Fr v15 = v14 - v4;
        const Fr v16 = v15 - v3;
        const Fr v17 = v16 - v2;
        const Fr v18 = v17 - v1;
        const Fr v19 = v18 * v12;
        const Fr v20 = v19 * row.scalar(1);
        const Fr v21 = row.scalar(0) - v4;
        const Fr v22 = v21 - v3;
        const Fr v23 = v22 - v2;
        const Fr v24 = v23 - v1;
        const Fr v25 = v24 - v0;
        const Fr v26 = v25 - row.cell(3, 7);
        const Fr v27 = row.scalar(2) * v26;
        const Fr v28 = row.scalar(0) + v27;
        const Fr v29 = v11 * v28;
        const Fr v30 = row.cell(1, 0) * v29;
        const Fr v31 = v20 + v30 * row.scalar(3);
        const Fr v32 = v11 * row.cell(4, 0);
        const Fr v33 = v31 + v32;
        const Fr v34 = row.cell(2, -1) * row.cell(0, 0);
        const Fr v35 = v33 + v34 * row.scalar(4);
        return v35;
    }
};

struct Program_c4ba035b16e8163e {
    static constexpr uint32_t SLOTS = 3, SCALARS = 1, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_SUM, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_CELL, 2, 1}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(1, 0) + row.cell(2, 1);
        const Fr v1 = row.cell(0, 0) * v0;
        const Fr v2 = v1 * row.scalar(0);
        return v2;
    }
};

struct Program_7f469914d8ddfd49 {
    static constexpr uint32_t SLOTS = 4, SCALARS = 6, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 0, 0}, {0, 0, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 2, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_COPY, 4, {ZKINFER_CELL, 2, 1}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 5, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_SUM, 5, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 5, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 3, 1}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 5, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(0, 0);
        const Fr v1 = row.cell(2, 0);
        const Fr v2 = v1 * v0;
        const Fr v3 = row.cell(2, 1);
        const Fr v4 = row.scalar(0) * v3;
        const Fr v5 = row.scalar(1) + v4;
        const Fr v6 = v5 * v2;
        const Fr v7 = v6 * row.scalar(2);
        const Fr v8 = v3 * v0;
        const Fr v9 = v8 * v5;
        const Fr v10 = v7 + v9 * row.scalar(3);
        const Fr v11 = v1 * row.scalar(0);
        const Fr v12 = v3 + v11;
        const Fr v13 = v0 * v12;
        const Fr v14 = row.cell(3, 1);
        const Fr v15 = v14 * v13;
        const Fr v16 = v10 + v15 * row.scalar(4);
        const Fr v17 = v14 * row.cell(1, 0);
        const Fr v18 = v16 + v17 * row.scalar(5);
        return v18;
    }
};

struct Program_8fa9b2bd7690379a {
    static constexpr uint32_t SLOTS = 5, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 1, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_COPY, 0, {ZKINFER_REGISTER, 1, 0}, {0, 0, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.scalar(0) - row.cell(1, 1);
        const Fr v1 = v0 - row.cell(1, 2);
        const Fr v2 = v1 - row.cell(1, 3);
        const Fr v3 = v2 - row.cell(1, 4);
        const Fr v4 = v3 - row.cell(1, 5);
        const Fr v5 = v4 - row.cell(1, 6);
        const Fr v6 = row.cell(0, 1) * v5;
        const Fr v7 = row.scalar(1) + row.cell(2, 0);
        const Fr v8 = v7 * v6;
        const Fr v9 = row.scalar(1) + row.cell(3, 0);
        const Fr v10 = v9 * v8;
        const Fr v11 = row.scalar(1) + row.cell(4, 0);
        const Fr v12 = v11 * v10;
        const Fr v13 = v12;
        return v13;
    }
};

struct Program_18458227ad5e8dd8 {
    static constexpr uint32_t SLOTS = 5, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 2, 0}, {0, 0, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 0, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_CELL, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 4, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 1, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_CELL, 3, 1}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 4, 1}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(2, 0);
        const Fr v1 = row.cell(0, 0);
        const Fr v2 = row.cell(3, 0) * v1;
        const Fr v3 = v2 * v0;
        const Fr v4 = v3 * row.scalar(0);
        const Fr v5 = row.cell(4, 0) * v1;
        const Fr v6 = v5 * v0;
        const Fr v7 = v4 + v6 * row.scalar(1);
        const Fr v8 = row.cell(1, 0);
        const Fr v9 = row.cell(3, 1) * v8;
        const Fr v10 = v9 * v0;
        const Fr v11 = v7 + v10 * row.scalar(0);
        const Fr v12 = v8 * row.cell(4, 1);
        const Fr v13 = v12 * v0;
        const Fr v14 = v11 + v13 * row.scalar(1);
        return v14;
    }
};

struct Program_e82777128ada1207 {
    static constexpr uint32_t SLOTS = 5, SCALARS = 3, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 3, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_COPY, 0, {ZKINFER_REGISTER, 1, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 2, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.scalar(0) - row.cell(3, 1);
        const Fr v1 = v0 - row.cell(3, 2);
        const Fr v2 = v1 - row.cell(3, 3);
        const Fr v3 = v2 - row.cell(3, 4);
        const Fr v4 = v3 - row.cell(3, 5);
        const Fr v5 = v4 - row.cell(3, 6);
        const Fr v6 = v5 * row.cell(4, 0);
        const Fr v7 = v6;
        const Fr v8 = row.cell(2, 0) * row.cell(1, 0);
        const Fr v9 = v7 + v8 * row.scalar(1);
        const Fr v10 = row.cell(0, 0) * row.scalar(2);
        const Fr v11 = v9 + v10;
        return v11;
    }
};

struct Program_ac8bf1e3decca61d {
    static constexpr uint32_t SLOTS = 5, SCALARS = 3, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_SUM, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 2, -6}},
        {ZKINFER_SUM, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_COPY, 0, {ZKINFER_REGISTER, 1, 0}, {0, 0, 0}},
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 1, 6}, {0, 0, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 0, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_CELL, 4, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.scalar(0) + row.cell(2, -6);
        const Fr v1 = v0 + row.cell(3, 0);
        const Fr v2 = row.cell(1, 0) * v1;
        const Fr v3 = v2;
        const Fr v4 = row.cell(1, 6);
        const Fr v5 = row.cell(0, 0);
        const Fr v6 = v5 * v5;
        const Fr v7 = v6 * v4;
        const Fr v8 = v3 + v7 * row.scalar(1);
        const Fr v9 = v5 * v4;
        const Fr v10 = v8 + v9 * row.scalar(2);
        const Fr v11 = v10 + row.cell(4, 0);
        return v11;
    }
};

struct Program_ca41d8a6664d963a {
    static constexpr uint32_t SLOTS = 5, SCALARS = 6, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 4, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 0, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_SCALAR, 2, 0}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 5, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr point = row.point();
        const Fr v0 = row.scalar(0) - row.cell(4, 1);
        const Fr v1 = v0 - row.cell(4, 2);
        const Fr v2 = v1 - row.cell(4, 3);
        const Fr v3 = v2 - row.cell(4, 4);
        const Fr v4 = v3 - row.cell(4, 5);
        const Fr v5 = v4 - row.cell(4, 6);
        const Fr v6 = row.cell(3, 0) * v5;
        const Fr v7 = point * row.scalar(1);
        const Fr v8 = row.cell(0, 0) + row.scalar(2);
        const Fr v9 = v8 + v7;
        const Fr v10 = v9 * v6;
        const Fr v11 = point * row.scalar(3);
        const Fr v12 = row.cell(1, 0) + row.scalar(2);
        const Fr v13 = v12 + v11;
        const Fr v14 = v13 * v10;
        const Fr v15 = point * row.scalar(4);
        const Fr v16 = row.scalar(2) + row.cell(2, 0);
        const Fr v17 = v16 + v15;
        const Fr v18 = v17 * v14;
        const Fr v19 = v18 * row.scalar(5);
        return v19;
    }
};

struct Program_6d2d03807a84bf2c {
    static constexpr uint32_t SLOTS = 5, SCALARS = 6, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 4, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 4, 6}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 0, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_CELL, 2, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 5, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr point = row.point();
        const Fr v0 = row.scalar(0) - row.cell(4, 1);
        const Fr v1 = v0 - row.cell(4, 2);
        const Fr v2 = v1 - row.cell(4, 3);
        const Fr v3 = v2 - row.cell(4, 4);
        const Fr v4 = v3 - row.cell(4, 5);
        const Fr v5 = v4 - row.cell(4, 6);
        const Fr v6 = row.cell(3, 0) * v5;
        const Fr v7 = point * row.scalar(1);
        const Fr v8 = row.cell(1, 0) + row.scalar(2);
        const Fr v9 = v8 + v7;
        const Fr v10 = v9 * v6;
        const Fr v11 = point * row.scalar(3);
        const Fr v12 = row.cell(0, 0) + row.scalar(2);
        const Fr v13 = v12 + v11;
        const Fr v14 = v13 * v10;
        const Fr v15 = point * row.scalar(4);
        const Fr v16 = row.cell(2, 0) + row.scalar(2);
        const Fr v17 = v16 + v15;
        const Fr v18 = v17 * v14;
        const Fr v19 = v18 * row.scalar(5);
        return v19;
    }
};

struct Program_84b3199018660346 {
    static constexpr uint32_t SLOTS = 3, SCALARS = 1, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 1}, {ZKINFER_CELL, 2, 1}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 0, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(1, 1) * row.cell(2, 1);
        const Fr v1 = v0 * row.cell(0, 0);
        const Fr v2 = v1 * row.scalar(0);
        return v2;
    }
};

struct Program_176e9b3c735460e1 {
    static constexpr uint32_t SLOTS = 3, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 2, 0}, {ZKINFER_CELL, 0, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(2, 0) * row.cell(0, 0);
        const Fr v1 = v0 * row.scalar(0);
        const Fr v2 = v0 * row.cell(1, 0);
        const Fr v3 = v1 + v2 * row.scalar(1);
        return v3;
    }
};

struct Program_053101e64d2c2320 {
    static constexpr uint32_t SLOTS = 4, SCALARS = 6, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 2, 6}, {0, 0, 0}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 2, 1}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 2, 2}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 2, 3}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 2, 4}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 2, 5}},
        {ZKINFER_DIFFERENCE, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_COPY, 3, {ZKINFER_CELL, 1, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 4, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 5, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 6, {ZKINFER_SCALAR, 2, 0}, {ZKINFER_CELL, 0, 0}},
        {ZKINFER_SUM, 5, {ZKINFER_REGISTER, 6, 0}, {ZKINFER_REGISTER, 5, 0}},
        {ZKINFER_PRODUCT, 4, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 1, 1}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM, 4, {ZKINFER_SCALAR, 2, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 5, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr point = row.point();
        const Fr v0 = row.cell(2, 6);
        const Fr v1 = row.scalar(0) - row.cell(2, 1);
        const Fr v2 = v1 - row.cell(2, 2);
        const Fr v3 = v2 - row.cell(2, 3);
        const Fr v4 = v3 - row.cell(2, 4);
        const Fr v5 = v4 - row.cell(2, 5);
        const Fr v6 = v5 - v0;
        const Fr v7 = row.cell(1, 0);
        const Fr v8 = v7 * v6;
        const Fr v9 = point * row.scalar(1);
        const Fr v10 = row.scalar(2) + row.cell(0, 0);
        const Fr v11 = v10 + v9;
        const Fr v12 = v11 * v8;
        const Fr v13 = v12 * row.scalar(3);
        const Fr v14 = row.cell(1, 1) * v6;
        const Fr v15 = row.scalar(2) + row.cell(3, 0);
        const Fr v16 = v15 * v14;
        const Fr v17 = v13 + v16;
        const Fr v18 = v7 * v7;
        const Fr v19 = v18 * v0;
        const Fr v20 = v17 + v19 * row.scalar(4);
        const Fr v21 = v7 * v0;
        const Fr v22 = v20 + v21 * row.scalar(5);
        return v22;
    }
};

struct Program_68d7df8049ae38eb {
    static constexpr uint32_t SLOTS = 5, SCALARS = 2, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 0, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 1}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 2, 1}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 1}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 4, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(0, 0);
        const Fr v1 = v0 * row.cell(1, 1);
        const Fr v2 = row.cell(2, 1) * v1;
        const Fr v3 = v2 * row.scalar(0);
        const Fr v4 = v0 * row.cell(3, 1);
        const Fr v5 = row.cell(4, 1) * v4;
        const Fr v6 = v3 + v5 * row.scalar(1);
        return v6;
    }
};

struct Program_c40673f544c2faaa {
    static constexpr uint32_t SLOTS = 6, SCALARS = 1, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_SUM, 1, {ZKINFER_CELL, 2, 0}, {ZKINFER_CELL, 3, 1}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_COPY, 0, {ZKINFER_REGISTER, 1, 0}, {0, 0, 0}},
        {ZKINFER_SUM, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 4, -6}},
        {ZKINFER_SUM, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 5, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(2, 0) + row.cell(3, 1);
        const Fr v1 = row.cell(0, 0) * v0;
        const Fr v2 = v1;
        const Fr v3 = row.scalar(0) + row.cell(4, -6);
        const Fr v4 = v3 + row.cell(5, 0);
        const Fr v5 = row.cell(1, 0) * v4;
        const Fr v6 = v2 + v5;
        return v6;
    }
};

struct Program_38100b1e674dc328 {
    static constexpr uint32_t SLOTS = 4, SCALARS = 1, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 1, 0}, {ZKINFER_CELL, 2, 0}},
        {ZKINFER_COPY, 2, {ZKINFER_CELL, 0, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_CELL, 3, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 0, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(1, 0) * row.cell(2, 0);
        const Fr v1 = row.cell(0, 0);
        const Fr v2 = v1 * v0;
        const Fr v3 = v2 * row.scalar(0);
        const Fr v4 = v1 * row.cell(3, 0);
        const Fr v5 = v3 + v4 * row.scalar(0);
        return v5;
    }
};

struct Program_22587bfa206176af {
    static constexpr uint32_t SLOTS = 4, SCALARS = 3, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 3, -1}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 2, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 1, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 0, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 2, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(3, -1);
        const Fr v1 = row.cell(2, 0) * row.scalar(0);
        const Fr v2 = row.scalar(1) + v1;
        const Fr v3 = row.cell(0, 0) * v2;
        const Fr v4 = v3 * v0;
        const Fr v5 = v4 * row.scalar(2);
        const Fr v6 = v0 * row.cell(1, 0);
        const Fr v7 = v5 + v6 * row.scalar(2);
        return v7;
    }
};

struct Program_ca87d9e6c9abfa0b {
    static constexpr uint32_t SLOTS = 6, SCALARS = 5, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_SCALAR, 0, 0}, {ZKINFER_CELL, 3, 1}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 2}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 3}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 4}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 5}},
        {ZKINFER_DIFFERENCE, 1, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_CELL, 3, 6}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_SUM, 4, {ZKINFER_CELL, 0, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_POINT, 0, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_SUM, 4, {ZKINFER_SCALAR, 2, 0}, {ZKINFER_CELL, 1, 0}},
        {ZKINFER_SUM, 3, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_CELL, 2, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 2, 0}, {ZKINFER_CELL, 4, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 2, {ZKINFER_SCALAR, 2, 0}, {ZKINFER_CELL, 5, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM, 0, {ZKINFER_REGISTER, 0, 0}, {ZKINFER_REGISTER, 1, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr point = row.point();
        const Fr v0 = row.scalar(0) - row.cell(3, 1);
        const Fr v1 = v0 - row.cell(3, 2);
        const Fr v2 = v1 - row.cell(3, 3);
        const Fr v3 = v2 - row.cell(3, 4);
        const Fr v4 = v3 - row.cell(3, 5);
        const Fr v5 = v4 - row.cell(3, 6);
        const Fr v6 = row.cell(2, 0) * v5;
        const Fr v7 = point * row.scalar(1);
        const Fr v8 = row.cell(0, 0) + row.scalar(2);
        const Fr v9 = v8 + v7;
        const Fr v10 = v9 * v6;
        const Fr v11 = point * row.scalar(3);
        const Fr v12 = row.scalar(2) + row.cell(1, 0);
        const Fr v13 = v12 + v11;
        const Fr v14 = v13 * v10;
        const Fr v15 = v14 * row.scalar(4);
        const Fr v16 = row.cell(2, 1) * v5;
        const Fr v17 = row.scalar(2) + row.cell(4, 0);
        const Fr v18 = v17 * v16;
        const Fr v19 = row.scalar(2) + row.cell(5, 0);
        const Fr v20 = v19 * v18;
        const Fr v21 = v15 + v20;
        return v21;
    }
};

struct Program_61d11af8c9ac301d {
    static constexpr uint32_t SLOTS = 6, SCALARS = 5, RESULT = 0;
    static constexpr zkinfer_instruction INSTRUCTIONS[] = {
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 0, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_CELL, 4, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_COPY, 3, {ZKINFER_CELL, 2, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 4, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_COPY, 4, {ZKINFER_CELL, 3, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_COPY, 5, {ZKINFER_CELL, 5, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 2, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_PRODUCT, 1, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_SCALAR, 4, 0}},
        {ZKINFER_COPY, 1, {ZKINFER_CELL, 1, 0}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 5, {ZKINFER_CELL, 4, 1}, {ZKINFER_REGISTER, 1, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_SCALAR, 0, 0}},
        {ZKINFER_PRODUCT, 2, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 2, 0}, {ZKINFER_SCALAR, 1, 0}},
        {ZKINFER_PRODUCT, 4, {ZKINFER_REGISTER, 5, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_SCALAR, 2, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_COPY, 4, {ZKINFER_CELL, 5, 1}, {0, 0, 0}},
        {ZKINFER_PRODUCT, 3, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_REGISTER, 3, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 3, 0}, {ZKINFER_SCALAR, 3, 0}},
        {ZKINFER_PRODUCT, 4, {ZKINFER_REGISTER, 1, 0}, {ZKINFER_REGISTER, 4, 0}},
        {ZKINFER_SUM_OF_PRODUCT, 0, {ZKINFER_REGISTER, 4, 0}, {ZKINFER_SCALAR, 4, 0}},
    };
    template <typename Row> static HD Fr sum(const Row &row) {
        const Fr v0 = row.cell(0, 0);
        const Fr v1 = row.cell(4, 0) * v0;
        const Fr v2 = v1 * row.scalar(0);
        const Fr v3 = row.cell(2, 0);
        const Fr v4 = v1 * v3;
        const Fr v5 = v2 + v4 * row.scalar(1);
        const Fr v6 = row.cell(3, 0);
        const Fr v7 = v1 * v6;
        const Fr v8 = v5 + v7 * row.scalar(2);
        const Fr v9 = v0 * v3;
        const Fr v10 = row.cell(5, 0);
        const Fr v11 = v10 * v9;
        const Fr v12 = v8 + v11 * row.scalar(3);
        const Fr v13 = v10 * v0;
        const Fr v14 = v12 + v13 * row.scalar(4);
        const Fr v15 = row.cell(1, 0);
        const Fr v16 = row.cell(4, 1) * v15;
        const Fr v17 = v14 + v16 * row.scalar(0);
        const Fr v18 = v16 * v3;
        const Fr v19 = v17 + v18 * row.scalar(1);
        const Fr v20 = v16 * v6;
        const Fr v21 = v19 + v20 * row.scalar(2);
        const Fr v22 = v15 * v3;
        const Fr v23 = row.cell(5, 1);
        const Fr v24 = v23 * v22;
        const Fr v25 = v21 + v24 * row.scalar(3);
        const Fr v26 = v15 * v23;
        const Fr v27 = v25 + v26 * row.scalar(4);
        return v27;
    }
};

const Printed PRINTED[] = {
    printed<Program_6e5b7941b24506ff>(),
    printed<Program_04d42b9a121e05c2>(),
    printed<Program_8549b660583e1900>(),
    printed<Program_b93a071ada85553b>(),
    printed<Program_4f6b66c978f11108>(),
    printed<Program_5ba28eca00e57070>(),
    printed<Program_109681f4078524ba>(),
    printed<Program_0b3a6ddeebd3e56c>(),
    printed<Program_3a737a3ef77d9c5a>(),
    printed<Program_d250b0073d04c52a>(),
    printed<Program_b49389eef9d28d9e>(),
    printed<Program_1ea325954d767861>(),
    printed<Program_f2dd9db782500b70>(),
    printed<Program_2cb08c87e2a97e16>(),
    printed<Program_e5b3af5aec488810>(),
    printed<Program_a966794b96a3a128>(),
    printed<Program_1b54c80253d05fde>(),
    printed<Program_7e5d6a7161e1ec13>(),
    printed<Program_cde426acdaa0e185>(),
    printed<Program_5a7f1c79ef1ca468>(),
    printed<Program_e71024b9ea8fe24e>(),
    printed<Program_824048d6b4225a91>(),
    printed<Program_20e90677979ed7cb>(),
    printed<Program_b4dfbdb4888b1f67>(),
    printed<Program_cac8b765451e9bd9>(),
    printed<Program_a5a73692db150c7d>(),
    printed<Program_83b2cfd8e48ccdaa>(),
    printed<Program_33d184b3c6bf9247>(),
    printed<Program_058ffa74d93f748a>(),
    printed<Program_cc4d0dc7282713d6>(),
    printed<Program_b0b4792d39d13f3c>(),
    printed<Program_8ed6622819a684c9>(),
    printed<Program_cd3e285a77825a04>(),
    printed<Program_660862aaa22ccf63>(),
    printed<Program_0a3a4b48e21b4b7a>(),
    printed<Program_4aa58ab85e0288bd>(),
    printed<Program_dc45c7ff249ef95f>(),
    printed<Program_f5381ac3cef4a548>(),
    printed<Program_76cc2a782cb8c59c>(),
    printed<Program_c4ba035b16e8163e>(),
    printed<Program_7f469914d8ddfd49>(),
    printed<Program_8fa9b2bd7690379a>(),
    printed<Program_18458227ad5e8dd8>(),
    printed<Program_e82777128ada1207>(),
    printed<Program_ac8bf1e3decca61d>(),
    printed<Program_ca41d8a6664d963a>(),
    printed<Program_6d2d03807a84bf2c>(),
    printed<Program_84b3199018660346>(),
    printed<Program_176e9b3c735460e1>(),
    printed<Program_053101e64d2c2320>(),
    printed<Program_68d7df8049ae38eb>(),
    printed<Program_c40673f544c2faaa>(),
    printed<Program_38100b1e674dc328>(),
    printed<Program_22587bfa206176af>(),
    printed<Program_ca87d9e6c9abfa0b>(),
    printed<Program_61d11af8c9ac301d>(),
};

} // namespace
} // namespace zkinfer
