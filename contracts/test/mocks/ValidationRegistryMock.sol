// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {IERC8004Validation} from "../../src/interfaces/IERC8004Validation.sol";

/// @notice A validation registry that does what the draft says, without an identity registry: anybody owns any agent.
contract ValidationRegistryMock is IERC8004Validation {
    struct Status {
        address validator;
        uint256 agentId;
        uint8 response;
        bytes32 responseHash;
        string tag;
        uint256 lastUpdate;
    }

    mapping(bytes32 requestHash => Status) private _status;

    error Exists(bytes32 requestHash);
    error NotValidator(address validator, address found);
    error Response(uint8 response);

    function validationRequest(address validator, uint256 agentId, string calldata requestURI, bytes32 requestHash)
        external
    {
        if (_status[requestHash].validator != address(0)) revert Exists(requestHash);
        _status[requestHash] = Status(validator, agentId, 0, bytes32(0), "", block.timestamp);
        emit ValidationRequest(validator, agentId, requestURI, requestHash);
    }

    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external {
        Status storage status = _status[requestHash];
        if (status.validator != msg.sender) revert NotValidator(status.validator, msg.sender);
        if (response > 100) revert Response(response);
        status.response = response;
        status.responseHash = responseHash;
        status.tag = tag;
        status.lastUpdate = block.timestamp;
        emit ValidationResponse(
            msg.sender, status.agentId, requestHash, response, responseURI, responseHash, tag
        );
    }

    function getValidationStatus(bytes32 requestHash)
        external
        view
        returns (address, uint256, uint8, bytes32, string memory, uint256)
    {
        Status storage s = _status[requestHash];
        return (s.validator, s.agentId, s.response, s.responseHash, s.tag, s.lastUpdate);
    }
}
