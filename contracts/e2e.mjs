#!/usr/bin/env node
// Deploys an export on a chain of its own and does with it what a user does, by signed transactions: deploy the verifier
// and the model, register, verify, consume, replay. Prints the gas that the receipts name as JSON.
//
// Where the folder also holds a link of private weights (`zkinfer evm link`), they are registered, and a consumer pays for them alone.
//
//   e2e.mjs FOLDER [--hardfork NAME] [--enable-tx-gas-limit]

import { parseArgs } from "node:util";
import { Contract, ContractFactory, HDNodeWallet, Mnemonic, NonceManager, concat, getBytes, hexlify, keccak256, randomBytes, toBeHex } from "ethers";
import { withAnvil } from "./tools/anvil.mjs";
import { compile } from "./tools/compile.mjs";
import { CREATE2_DEPLOYER, inputWords, readExport, readLink } from "./tools/export.mjs";

const R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001n;
const MNEMONIC = "test test test test test test test test test test test junk";
const BOUNTY = 10n ** 15n;
const AGENT = 22n;

/**
 * Gas that a transaction may take which asks for a verdict and does not mind a false one. An estimate would not do: it is the least
 * with which nothing reverts, and too little gas is a false.
 */
const VERDICT_GAS = 1n << 24n;

/** Changes of single bytes that a proof is tried with. */
const TAMPERED_BYTES = 12;

function usage(message) {
    console.error(`${message}\nusage: e2e.mjs FOLDER [--hardfork NAME] [--enable-tx-gas-limit]`);
    process.exit(2);
}

function argumentsOf() {
    try {
        const { values, positionals } = parseArgs({
            allowPositionals: true,
            options: { hardfork: { type: "string", default: "osaka" }, "enable-tx-gas-limit": { type: "boolean" } },
        });
        if (positionals.length !== 1) usage("one folder is expected");
        const options = ["--hardfork", values.hardfork, ...(values["enable-tx-gas-limit"] ? ["--enable-tx-gas-limit"] : [])];
        return { folder: positionals[0], options };
    } catch (error) {
        return usage(error.message);
    }
}

function assert(condition, what) {
    if (!condition) throw new Error(`failed: ${what}`);
    console.error(`  ok  ${what}`);
}

/**
 * An account that gives its transactions a fifth more gas than their estimate. The estimate alone is not enough: it is made at the
 * time of the latest block, where storing the time once more changes nothing and is cheap; a second later it is not.
 */
class Account extends NonceManager {
    async sendTransaction(transaction) {
        const gasLimit = transaction.gasLimit ?? ((await this.estimateGas(transaction)) * 6n) / 5n;
        return super.sendTransaction({ ...transaction, gasLimit });
    }
}

/** What the script does with one export on one chain. */
class Journey {
    constructor(provider, exported, link) {
        this.provider = provider;
        this.exported = exported;
        this.link = link;
        this.code = compile(["src", "test/mocks"]);
        this.gas = {};
        const account = (index) => {
            const node = HDNodeWallet.fromMnemonic(Mnemonic.fromPhrase(MNEMONIC), `m/44'/60'/0'/0/${index}`);
            return new Account(node.connect(provider));
        };
        [this.owner, this.solver, this.thief] = [0, 1, 2].map(account);
    }

    get proof() {
        return this.exported.proof.proof;
    }

    get instances() {
        return this.exported.proof.instances.map(BigInt);
    }

    /** Waits for a transaction and notes its gas under a name. */
    async spend(name, sent) {
        const receipt = await (await sent).wait();
        if (name) this.gas[name] = Number(receipt.gasUsed);
        return receipt;
    }

    async deploy(name, ...constructorArguments) {
        const { abi, creation } = this.code[name];
        const contract = await new ContractFactory(abi, creation, this.owner).deploy(...constructorArguments);
        await this.spend(`deploy ${name}`, contract.deploymentTransaction());
        return contract;
    }

    /** Whether a transaction would revert, with the name of the error where the ABI knows it. */
    async refusal(contract, method, args, from = this.owner) {
        try {
            await contract.connect(from)[method].staticCall(...args);
            return null;
        } catch (error) {
            return error.revert?.name ?? "unnamed";
        }
    }

    /** Asks for a verdict by a transaction, to read its gas from the receipt. */
    async spendOnVerdict(name, contract, method, args) {
        const data = contract.interface.encodeFunctionData(method, args);
        const to = await contract.getAddress();
        await this.spend(name, this.owner.sendTransaction({ to, data, gasLimit: VERDICT_GAS }));
    }

    async deployVerifierAndModel() {
        const { manifest, verifier, model } = this.exported;
        const data = concat([manifest.verifier.salt, verifier]);
        await this.spend("deploy verifier", this.owner.sendTransaction({ to: CREATE2_DEPLOYER, data }));
        const found = keccak256(await this.provider.getCode(manifest.verifier.address));
        assert(found === manifest.verifier.codeHash, "the verifier's code is the manifest's");

        const receipt = await this.spend("deploy model", this.owner.sendTransaction({ data: model }));
        const code = await this.provider.getCode(receipt.contractAddress);
        assert(keccak256(code) === manifest.model.codeHash, "the model's code is the manifest's");
        this.model = new Contract(receipt.contractAddress, this.code.IZkinferModel.abi, this.owner);
    }

    async verify() {
        const { proof, instances, model } = this;
        assert(await model.verifyProof(proof, instances), "the model accepts the proof");
        await this.spendOnVerdict("verify, model alone", model, "verifyProof", [proof, instances]);
        await this.refuseTampered(model);
    }

    async refuseTampered(model) {
        const { instances } = this;
        const proof = getBytes(this.proof);
        const refuses = async (changed, words, what) => assert(!(await model.verifyProof(changed, words)), what);
        for (let i = 0; i < TAMPERED_BYTES; ++i) {
            const at = Math.floor((i * (proof.length - 1)) / (TAMPERED_BYTES - 1));
            const changed = proof.slice();
            changed[at] ^= 1;
            await refuses(changed, instances, `refused: byte ${at} of the proof changed`);
        }
        await refuses(proof.slice(0, -1), instances, "refused: the proof without its last byte");
        await refuses(proof.slice(0, -32), instances, "refused: the proof without its last word");
        await refuses(concat([proof, "0x00"]), instances, "refused: the proof and a byte");
        await refuses("0x", instances, "refused: no proof");
        await refuses(proof, instances.slice(1), "refused: a word less");
        await refuses(proof, [...instances, 0n], "refused: a word more");
        for (const i of new Set([0, instances.length - 1])) {
            const changed = (word) => instances.map((old, j) => (i === j ? word : old));
            await refuses(proof, changed(instances[i] + R), `refused: word ${i} plus the group order`);
            await refuses(proof, changed(instances[i] ^ 1n), `refused: word ${i} changed`);
        }
    }

    async register() {
        const { manifest, ports } = this.exported;
        this.registry = await this.deploy("ModelRegistry");
        this.entry = {
            verifier: manifest.verifier.address,
            verifierCodeHash: manifest.verifier.codeHash,
            model: await this.model.getAddress(),
            modelCodeHash: manifest.model.codeHash,
            program: manifest.digests.program,
            key: manifest.digests.key,
            source: manifest.digests.source,
            ports,
        };
        const registrant = await this.owner.getAddress();
        this.pinned = [await this.registry.getAddress(), this.entry, registrant];
        this.id = await this.registry.idOf(this.entry, registrant);
        await this.spend("register", this.registry.register(this.entry));
        const [, , words] = await this.registry.modelOf(this.id);
        assert(Number(words) === manifest.interface.words, "the registry counts as many words as the manifest");
        assert((await this.refusal(this.registry, "register", [this.entry])) === "AlreadyRegistered", "refused: twice");

        const args = [this.id, this.proof, this.instances];
        assert(await this.registry.verify(...args), "the registry accepts the proof");
        await this.spendOnVerdict("verify, through the registry", this.registry, "verify", args);
    }

    /** Why the contracts that pin a model can't be deployed for this one, or null. */
    async unpinnable(name, args) {
        try {
            const { data } = await new ContractFactory(this.code[name].abi, this.code[name].creation).getDeployTransaction(...args);
            await this.provider.call({ data, from: await this.owner.getAddress() });
            return null;
        } catch (error) {
            const parsed = error.data && new Contract(this.pinned[0], this.code[name].abi).interface.parseError(error.data);
            if (!parsed) throw error;
            return parsed.name;
        }
    }

    async pin(name, step, args = this.pinned) {
        const reason = await this.unpinnable(name, args);
        if (reason) {
            console.error(`  --  ${name} does not take this model: ${reason}`);
            return;
        }
        await step(await this.deploy(name, ...args));
    }

    async consume(consumer) {
        const inputs = this.instances.slice(0, inputWords(this.exported));
        const solver = await this.solver.getAddress();
        const deadline = BigInt((await this.provider.getBlock("latest")).timestamp + 3600);
        const request = [await consumer.hashOf(inputs), solver, deadline, { value: BOUNTY }];
        const id = await consumer.request.staticCall(...request);
        await this.spend("consumer: request", consumer.request(...request));

        const answer = [id, this.proof, this.instances];
        assert((await this.refusal(consumer, "answer", answer, this.thief)) === "NotAllowed", "refused: another sender");
        const tampered = getBytes(this.proof);
        tampered[0] ^= 1;
        const bad = [id, tampered, this.instances];
        assert((await this.refusal(consumer, "answer", bad, this.solver)) === "ProofRefused", "refused: a tampered proof");
        const receipt = await this.spend("consumer: answer", consumer.connect(this.solver).answer(...answer));
        const event = receipt.logs.map((log) => consumer.interface.parseLog(log)).find((log) => log?.name === "Answered");
        assert(event !== undefined, `answered: class ${event?.args.class}, score ${event?.args.score} / 10^18`);
        assert((await this.refusal(consumer, "answer", answer, this.solver)) === "NotOpen", "refused: a replay");
    }

    async mintContent(adapter) {
        const split = inputWords(this.exported);
        const bytesOf = (words) => concat(words.map((word) => toBeHex(word, 32)));
        const prompt = bytesOf(this.instances.slice(0, split));
        const content = bytesOf(this.instances.slice(split));
        const token = await adapter.tokenOf(prompt);
        const salt = hexlify(randomBytes(32));
        const commitment = await adapter.commitmentOf(await this.owner.getAddress(), token, salt);
        await this.spend("ERC-7007: commit", adapter.commit(commitment));
        await this.provider.send("evm_increaseTime", [Number(await adapter.COMMITMENT_AGE())]);
        await this.provider.send("evm_mine", []);
        await this.spend("ERC-7007: mint", adapter.mint(prompt, salt));
        const add = [token, prompt, content, this.proof];
        await this.spend("ERC-7007: addAigcData", adapter.addAigcData(...add));
        assert(await adapter.verify(prompt, content, this.proof), "ERC-7007: verify");
        assert((await this.refusal(adapter, "addAigcData", add)) === "ContentExists", "refused: content twice");
    }

    async validate(validator) {
        const nonce = 1n;
        const request = keccak256(await validator.claimOf(AGENT, nonce, this.instances));
        const asked = this.validations.validationRequest(await validator.getAddress(), AGENT, "ipfs://claim", request);
        await this.spend("ERC-8004: validationRequest", asked);
        const respond = [request, nonce, this.proof, this.instances];
        await this.spend("ERC-8004: respond", validator.respond(...respond));
        const [, , response] = await this.validations.getValidationStatus(request);
        assert(response === 100n, "ERC-8004: the answer is 100");
        assert((await this.refusal(validator, "respond", respond)) === "AlreadyProven", "refused: an answer twice");
    }

    /** Deploys a contract by the factory of CREATE2, where the link's description says that it will be. */
    async deployByFactory(name, creation, described) {
        const data = concat([described.salt, creation]);
        await this.spend(`deploy ${name}`, this.owner.sendTransaction({ to: CREATE2_DEPLOYER, data }));
        const found = keccak256(await this.provider.getCode(described.address));
        assert(found === described.codeHash, `the code of ${name} is the one that the link names`);
        return new Contract(described.address, this.code[name].abi, this.owner);
    }

    /** Registers the weights that the proof is about, and has a consumer pay for proofs of these. */
    async payForRegisteredWeights() {
        const { contracts, registration, from, to, tau, link, certify, register } = this.link;
        const judge = await this.deployByFactory("LinkVerifier", this.link.linkVerifier, contracts.linkVerifier);
        const registry = await this.deployByFactory("WeightsRegistry", this.link.weightsRegistry, contracts.weightsRegistry);
        await this.spend("register weights", this.owner.sendTransaction({ to: contracts.weightsRegistry.address, data: register }));
        assert((await registry.sideHashOf(registration.digest)) === from.hash, "the weights are registered under their digest");
        await this.spend("certify bases", this.owner.sendTransaction({ to: contracts.linkVerifier.address, data: certify }));
        assert(await judge.verifyLink(from.side, to.side, tau, link), "the link is accepted");

        const [modelRegistry, entry, registrant] = this.pinned;
        const { is: _, ...part } = to.part;
        const named = {
            registry: modelRegistry,
            weightsRegistry: contracts.weightsRegistry.address,
            linkVerifier: contracts.linkVerifier.address,
            registrant,
            part,
            weights: registration.digest,
        };
        await this.pin("ExamplePrivateModel", (consumer) => this.askAndAnswer(consumer), [named, entry]);
    }

    async askAndAnswer(consumer) {
        const inputs = this.instances.slice(0, inputWords(this.exported));
        const inputHash = keccak256(concat(inputs.map((word) => toBeHex(word, 32))));
        const { timestamp } = await this.provider.getBlock("latest");
        const ask = [inputHash, await this.solver.getAddress(), timestamp + 3600, { value: BOUNTY }];
        const id = await consumer.ask.staticCall(...ask);
        await this.spend("private model: ask", consumer.ask(...ask));
        const { from, tau, link } = this.link;
        const evidence = { proof: this.proof, instances: this.instances, registered: from.side, tau, link };
        const changed = getBytes(link);
        changed[changed.length - 1] ^= 1;
        const bad = [id, { ...evidence, link: changed }];
        assert((await this.refusal(consumer, "answer", bad, this.solver)) === "LinkRefused", "refused: a tampered link");
        assert((await this.refusal(consumer, "answer", [id, evidence], this.thief)) === "NotAllowed", "refused: another sender");
        await this.spend("private model: answer", consumer.connect(this.solver).answer(id, evidence));
        assert((await this.refusal(consumer, "answer", [id, evidence], this.solver)) === "NotAllowed", "refused: a replay");
    }

    async run() {
        await this.deployVerifierAndModel();
        if (!this.exported.proof) {
            console.error("  --  the export holds no proof: nothing to verify");
            return;
        }
        await this.verify();
        await this.register();
        await this.pin("ExampleConsumer", (consumer) => this.consume(consumer));
        await this.pin("ERC7007Adapter", (adapter) => this.mintContent(adapter));
        this.validations = await this.deploy("ValidationRegistryMock");
        const pinned = [await this.validations.getAddress(), ...this.pinned];
        await this.pin("ERC8004Validator", (validator) => this.validate(validator), pinned);
        delete this.gas["deploy ValidationRegistryMock"];
        if (this.link?.registration) await this.payForRegisteredWeights();
    }
}

/** What contracts add to the bare verification, from the gas of the receipts. */
function overheads(gas) {
    const bare = gas["verify, model alone"];
    const over = (name) => (name in gas ? gas[name] - bare : undefined);
    return {
        "registry, per verification": over("verify, through the registry"),
        "consumer, per answer": over("consumer: answer"),
        "ERC-7007, per addAigcData": over("ERC-7007: addAigcData"),
        "ERC-8004, per respond": over("ERC-8004: respond"),
        "private model, per answer": over("private model: answer"),
    };
}

const { folder, options } = argumentsOf();
const exported = readExport(folder);
await withAnvil(options, async (provider) => {
    const journey = new Journey(provider, exported, readLink(folder));
    await journey.run();
    const { manifest, proof } = exported;
    const report = {
        model: manifest.model.name,
        anvil: options,
        bytes: {
            "model code": manifest.model.codeBytes,
            proof: proof && (proof.proof.length - 2) / 2,
            "instance words": manifest.interface.words,
        },
        gas: journey.gas,
        overhead: overheads(journey.gas),
    };
    console.log(JSON.stringify(report, null, 2));
});
