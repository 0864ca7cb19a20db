#!/usr/bin/env bash
# PPO in OpenRLHF 0.11 on one machine, policy, critic, reference and vLLM on the same GPUs. Written by Solon.
#   MODEL=... OUT=... GPUS=8 ./train_ppo.sh [further options]
# On several machines start Ray on each first, and set NODES.
set -euo pipefail
HERE="$(cd "$(dirname "$0")" && pwd)"
cd "$HERE"
MODEL=${MODEL:-@MODEL@}
: "${MODEL:?set MODEL to a folder of whole weights or an id on the Hugging Face Hub}"
NODES=${NODES:-1}
GPUS=${GPUS:-8}

python3 -m openrlhf.cli.train_ppo_ray \
    --actor.model_name_or_path "$MODEL" \
    --reward.remote_url "$HERE/reward.py" \
    --data.prompt_dataset "$HERE/prompts.jsonl" \
    --data.input_key prompt \
    --data.label_key label \
    --data.apply_chat_template \
    --data.max_len @PPO_LENGTH@ \
    --rollout.max_new_tokens @MAX_NEW_TOKENS@ \
    --rollout.temperature @TEMPERATURE@ \
    --rollout.batch_size "${ROLLOUT:-@ROLLOUT@}" \
    --rollout.n_samples_per_prompt 1 \
    --train.batch_size "${BATCH:-@PPO_BATCH@}" \
    --train.num_episodes @PPO_EPOCHS@ \
    --train.max_epochs @PPO_PASSES@ \
    --train.seed @SEED@ \
    --train.dynamic_batch_enable \
    --train.colocate_all \
    --actor.num_nodes "$NODES" --actor.num_gpus_per_node "$GPUS" \
    --critic.num_nodes "$NODES" --critic.num_gpus_per_node "$GPUS" \
    --ref.num_nodes "$NODES" --ref.num_gpus_per_node "$GPUS" \
    --vllm.num_engines "$((NODES * GPUS))" \
    --vllm.tensor_parallel_size 1 \
    --vllm.gpu_memory_utilization 0.5 \
    --vllm.enable_sleep \
    --ds.enable_sleep \
    --ds.zero_stage 3 \
    --ds.param_dtype bf16 \
    --ds.packing_samples \
    --actor.gradient_checkpointing_enable \
    --actor.adam.lr "${LR:-5e-7}" \
    --critic.adam.lr "${CRITIC_LR:-9e-6}" \
    --actor.eps_clip @CLIP@ \
    --critic.value_clip @VALUE_CLIP@ \
    --algo.kl.init_coef @BETA@ \
    --algo.advantage.gamma @GAMMA@ \
    --algo.advantage.lambd @LAM@ \
    --ckpt.output_dir "${OUT:-out/ppo}" \
    --ckpt.save_hf \
    "$@"
