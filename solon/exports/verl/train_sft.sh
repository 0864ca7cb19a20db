#!/usr/bin/env bash
# SFT in verl 0.9. Written by Solon.
#   MODEL=... OUT=... GPUS=8 ./train_sft.sh [key=value ...]
set -euo pipefail
cd "$(dirname "$0")"
MODEL=${MODEL:-@MODEL@}
: "${MODEL:?set MODEL to a folder of whole weights or an id on the Hugging Face Hub}"

torchrun --standalone --nnodes=1 --nproc_per_node="${GPUS:-8}" -m verl.trainer.sft_trainer \
    model.path="$MODEL" \
    data.train_files="$PWD/sft.parquet" \
    data.messages_key=messages \
    data.max_length=@MAX_LENGTH@ \
    data.truncation=right \
    data.train_batch_size="${BATCH:-64}" \
    data.micro_batch_size_per_gpu="${MICRO_BATCH:-1}" \
    engine=fsdp \
    optim.lr="${LR:-5e-6}" \
    trainer.total_epochs=@SFT_EPOCHS@ \
    trainer.seed=@SEED@ \
    trainer.default_local_dir="${OUT:-out/sft}" \
    trainer.project_name=@NAME@ \
    trainer.experiment_name=sft \
    trainer.logger='["console"]' \
    "$@"
