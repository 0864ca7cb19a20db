#!/usr/bin/env bash
# SFT in verl 0.9, which learns every answer of a conversation and draws the order of rows by a seed of its own.
# TOKENS: how many a GPU takes at once. Written by Solon.
#   MODEL=... OUT=... GPUS=8 ./train_sft.sh [key=value ...]
set -euo pipefail
cd "$(dirname "$0")"
MODEL=${MODEL:-@MODEL@}
: "${MODEL:?set MODEL to a folder of whole weights or an id on the Hugging Face Hub}"

torchrun --standalone --nnodes=1 --nproc_per_node="${GPUS:-8}" -m verl.trainer.sft_trainer \
    model.path="$MODEL" \
    data.train_files="$PWD/sft.parquet" \
    data.messages_key=messages \
    data.max_length=@SFT_LENGTH@ \
    data.truncation=right \
    data.train_batch_size="${BATCH:-@SFT_BATCH@}" \
    data.max_token_len_per_gpu="${TOKENS:-@SFT_TOKENS@}" \
    engine=fsdp \
    engine.seed=@SEED@ \
    optim.lr="${LR:-5e-6}" \
    trainer.total_epochs=@SFT_EPOCHS@ \
    trainer.default_local_dir="${OUT:-out/sft}" \
    trainer.project_name=@NAME@ \
    trainer.experiment_name=sft \
    trainer.logger='["console"]' \
    "$@"
