#!/usr/bin/env bash
# PPO in verl 0.9, FSDP and vLLM on the same GPUs. Written by Solon.
#   MODEL=... OUT=... GPUS=8 ./train_ppo.sh [key=value ...]
# On several machines start Ray on each first, and set NODES. TOKENS: how many a GPU takes at once.
set -euo pipefail
cd "$(dirname "$0")"
MODEL=${MODEL:-@MODEL@}
: "${MODEL:?set MODEL to a folder of whole weights or an id on the Hugging Face Hub}"

python3 -m verl.trainer.main_ppo \
    algorithm.adv_estimator=gae \
    algorithm.gamma=@GAMMA@ \
    algorithm.lam=@LAM@ \
    algorithm.use_kl_in_reward=True \
    algorithm.kl_ctrl.kl_coef=@BETA@ \
    data.train_files="$PWD/prompts.parquet" \
    data.val_files="$PWD/prompts.parquet" \
    data.train_batch_size="${ROLLOUT:-@ROLLOUT@}" \
    data.max_prompt_length=@MAX_PROMPT@ \
    data.max_response_length=@MAX_NEW_TOKENS@ \
    data.filter_overlong_prompts=True \
    data.seed=@SEED@ \
    reward.custom_reward_function.path="$PWD/reward.py" \
    reward.custom_reward_function.name=compute_score \
    actor_rollout_ref.model.path="$MODEL" \
    actor_rollout_ref.model.enable_gradient_checkpointing=True \
    actor_rollout_ref.actor.optim.lr="${LR:-1e-6}" \
    actor_rollout_ref.actor.ppo_mini_batch_size="${BATCH:-@MINI_BATCH@}" \
    actor_rollout_ref.actor.ppo_epochs=@PPO_PASSES@ \
    actor_rollout_ref.actor.clip_ratio=@CLIP@ \
    actor_rollout_ref.actor.clip_ratio_low=@CLIP@ \
    actor_rollout_ref.actor.clip_ratio_high=@CLIP@ \
    actor_rollout_ref.actor.data_loader_seed=@SEED@ \
    actor_rollout_ref.actor.use_dynamic_bsz=True \
    actor_rollout_ref.actor.ppo_max_token_len_per_gpu="${TOKENS:-@PPO_TOKENS@}" \
    actor_rollout_ref.rollout.name=vllm \
    actor_rollout_ref.rollout.seed=@SEED@ \
    actor_rollout_ref.rollout.temperature=@TEMPERATURE@ \
    actor_rollout_ref.rollout.tensor_model_parallel_size=1 \
    actor_rollout_ref.rollout.gpu_memory_utilization=0.5 \
    actor_rollout_ref.rollout.log_prob_use_dynamic_bsz=True \
    actor_rollout_ref.ref.log_prob_use_dynamic_bsz=True \
    critic.model.path="$MODEL" \
    critic.model.enable_gradient_checkpointing=True \
    critic.optim.lr="${CRITIC_LR:-1e-5}" \
    critic.use_dynamic_bsz=True \
    critic.ppo_max_token_len_per_gpu="${TOKENS:-@PPO_TOKENS@}" \
    critic.cliprange_value=@VALUE_CLIP@ \
    critic.data_loader_seed=@SEED@ \
    trainer.n_gpus_per_node="${GPUS:-8}" \
    trainer.nnodes="${NODES:-1}" \
    trainer.total_epochs=@PPO_EPOCHS@ \
    trainer.val_before_train=False \
    trainer.test_freq=-1 \
    trainer.save_freq=20 \
    trainer.default_local_dir="${OUT:-out/ppo}" \
    trainer.project_name=@NAME@ \
    trainer.experiment_name=ppo \
    trainer.logger='["console"]' \
    "$@"
