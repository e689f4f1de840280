//! An Ethereum chain in the process (revm), on which contracts are tried before anything is written or sent.
//!
//! The rules are those of the Osaka fork, code size limit and price of calldata included. There are no fees, no limit of gas
//! for a block or a transaction, and no other accounts than [`Chain::ACCOUNT`] and what it deploys.

use revm::context::result::ExecutionResult;
use revm::context::TxEnv;
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::hardfork::SpecId;
use revm::primitives::{Address, Bytes, TxKind, U256};
use revm::state::{AccountInfo, Bytecode};
use revm::{Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext, MainnetEvm};
use thiserror::Error;

/// A chain and its one account.
pub struct Chain {
    evm: MainnetEvm<Setting>,
}

type Setting = revm::handler::MainnetContext<CacheDB<EmptyDB>>;

/// What a call gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What came back, or `None` where the call reverted or ran out of gas.
    pub output: Option<Vec<u8>>,
    /// Gas of the whole transaction, calldata included.
    pub gas: u64,
}

/// Why a contract could not be deployed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeployError {
    /// The creation code reverted, or its result may not be a contract.
    #[error("the creation code failed: {0}")]
    Failed(String),
    /// The transaction was not even started.
    #[error("the transaction is not valid: {0}")]
    Invalid(String),
}

impl Chain {
    /// The account that sends all transactions.
    pub const ACCOUNT: [u8; 20] = [0x11; 20];
    /// Gas that a transaction may take; far more than any should.
    const GAS_LIMIT: u64 = 1 << 28;

    /// An empty chain.
    pub fn new() -> Self {
        let context = Context::mainnet().with_db(CacheDB::new(EmptyDB::new())).modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
            cfg.disable_nonce_check = true;
            cfg.tx_gas_limit_cap = Some(u64::MAX);
        });
        let context = context.modify_block_chained(|block| block.gas_limit = u64::MAX);
        Self { evm: context.build_mainnet() }
    }

    /// Deploys a contract. Gives its address and the gas of the transaction.
    ///
    /// # Errors
    /// The contract refuses to be made, or is too large.
    pub fn deploy(&mut self, creation_code: &[u8]) -> Result<([u8; 20], u64), DeployError> {
        let transaction = transaction(TxKind::Create, creation_code);
        let result = self.evm.transact_commit(transaction).map_err(|error| DeployError::Invalid(error.to_string()))?;
        match (&result, result.created_address()) {
            (ExecutionResult::Success { .. }, Some(address)) => Ok((address.into_array(), result.tx_gas_used())),
            _ => Err(DeployError::Failed(format!("{result:?}"))),
        }
    }

    /// Puts code at an address.
    pub fn put(&mut self, address: [u8; 20], code: &[u8]) {
        let code = Bytecode::new_raw(Bytes::copy_from_slice(code));
        let info = AccountInfo { code_hash: code.hash_slow(), code: Some(code), nonce: 1, ..AccountInfo::default() };
        self.evm.ctx.journaled_state.database.insert_account_info(Address::from(address), info);
    }

    /// The code at an address.
    pub fn code(&mut self, address: [u8; 20]) -> Vec<u8> {
        let database = &mut self.evm.ctx.journaled_state.database;
        let account = database.cache.accounts.get(&Address::from(address));
        let code = account.and_then(|account| account.info.code.as_ref());
        code.map_or_else(Vec::new, |code| code.original_byte_slice().to_vec())
    }

    /// Sends a transaction with a call, what it changes staying. A transaction that reverts changes nothing.
    pub fn send(&mut self, to: [u8; 20], data: &[u8]) -> Outcome {
        match self.evm.transact_commit(transaction(TxKind::Call(Address::from(to)), data)) {
            Ok(result) => Outcome::of(result),
            Err(_) => Outcome { output: None, gas: Self::GAS_LIMIT },
        }
    }

    /// Calls a contract in a transaction of its own, of which nothing stays.
    pub fn call(&mut self, to: [u8; 20], data: &[u8]) -> Outcome {
        self.call_with_gas(to, data, Self::GAS_LIMIT)
    }

    /// [`Chain::call`] with no more than `gas`.
    pub fn call_with_gas(&mut self, to: [u8; 20], data: &[u8], gas: u64) -> Outcome {
        let transaction = TxEnv { gas_limit: gas, ..transaction(TxKind::Call(Address::from(to)), data) };
        match self.evm.transact(transaction) {
            Ok(done) => Outcome::of(done.result),
            Err(_) => Outcome { output: None, gas },
        }
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Outcome {
    fn of(result: ExecutionResult) -> Self {
        let (gas, succeeded) = (result.tx_gas_used(), result.is_success());
        Self { output: result.into_output().filter(|_| succeeded).map(|bytes| bytes.to_vec()), gas }
    }

    /// Whether the call returned the Solidity boolean `true`, and nothing else.
    pub fn is_true(&self) -> bool {
        self.boolean() == Some(true)
    }

    /// The Solidity boolean that the call returned.
    pub fn boolean(&self) -> Option<bool> {
        match self.output.as_deref() {
            Some([zeros @ .., value @ (0 | 1)]) if zeros.len() == 31 && zeros.iter().all(|&byte| byte == 0) => {
                Some(*value == 1)
            }
            _ => None,
        }
    }
}

fn transaction(kind: TxKind, data: &[u8]) -> TxEnv {
    TxEnv {
        caller: Address::from(Chain::ACCOUNT),
        gas_limit: Chain::GAS_LIMIT,
        kind,
        data: Bytes::copy_from_slice(data),
        value: U256::ZERO,
        ..TxEnv::default()
    }
}
