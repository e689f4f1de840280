// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @notice The cheat codes of forge that the tests use.
interface Vm {
    struct DirEntry {
        string errorMessage;
        string path;
        uint64 depth;
        bool isDir;
        bool isSymlink;
    }

    function addr(uint256 key) external pure returns (address);
    function assume(bool condition) external pure;
    function chainId(uint256 id) external;
    function deal(address account, uint256 balance) external;
    function etch(address account, bytes calldata code) external;
    function expectEmit(bool topic1, bool topic2, bool topic3, bool data, address emitter) external;
    function expectRevert() external;
    function expectRevert(bytes calldata data) external;
    function keyExistsJson(string calldata json, string calldata key) external view returns (bool);
    function parseJsonAddress(string calldata json, string calldata key) external pure returns (address);
    function parseJsonBool(string calldata json, string calldata key) external pure returns (bool);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function parseJsonUintArray(string calldata json, string calldata key) external pure returns (uint256[] memory);
    function prank(address sender) external;
    function readDir(string calldata path) external view returns (DirEntry[] memory);
    function readFile(string calldata path) external view returns (string memory);
    function roll(uint256 blockNumber) external;
    function setEvmVersion(string calldata version) external;
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256 gas);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
    function toString(bytes32 value) external pure returns (string memory);
    function toString(int256 value) external pure returns (string memory);
    function toString(uint256 value) external pure returns (string memory);
    function warp(uint256 timestamp) external;
}

/// @notice What all tests share: the cheat codes and the checks.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @notice A check failed.
    error Failed(string what);

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert Failed(what);
    }

    function assertFalse(bool condition, string memory what) internal pure {
        assertTrue(!condition, what);
    }

    function assertEq(uint256 found, uint256 expected, string memory what) internal pure {
        if (found != expected) {
            revert Failed(string.concat(what, ": ", vm.toString(found), ", not ", vm.toString(expected)));
        }
    }

    function assertEq(int256 found, int256 expected, string memory what) internal pure {
        if (found != expected) {
            revert Failed(string.concat(what, ": ", vm.toString(found), ", not ", vm.toString(expected)));
        }
    }

    function assertEq(bytes32 found, bytes32 expected, string memory what) internal pure {
        if (found != expected) {
            revert Failed(string.concat(what, ": ", vm.toString(found), ", not ", vm.toString(expected)));
        }
    }

    function assertEq(address found, address expected, string memory what) internal pure {
        assertEq(bytes32(uint256(uint160(found))), bytes32(uint256(uint160(expected))), what);
    }

    /// @notice A number in `[least, most]`.
    function bound(uint256 seed, uint256 least, uint256 most) internal pure returns (uint256) {
        uint256 count = most - least + 1;
        return count == 0 ? seed : least + seed % count;
    }
}
