#!/usr/bin/env bash
# SFT in OpenRLHF 0.11. Written by Solon.
#   MODEL=... OUT=... ./train_sft.sh [further options]
set -euo pipefail
cd "$(dirname "$0")"
MODEL=${MODEL:-@MODEL@}
: "${MODEL:?set MODEL to a folder of whole weights or an id on the Hugging Face Hub}"

deepspeed --module openrlhf.cli.train_sft \
    --model.model_name_or_path "$MODEL" \
    --data.dataset sft.jsonl \
    --data.input_key messages \
    --data.apply_chat_template \
    --data.max_len @SFT_LENGTH@ \
    --train.batch_size "${BATCH:-@SFT_BATCH@}" \
    --train.micro_batch_size "${MICRO_BATCH:-1}" \
    --train.max_epochs @SFT_EPOCHS@ \
    --train.seed @SEED@ \
    --adam.lr "${LR:-5e-6}" \
    --ds.zero_stage 3 \
    --ds.param_dtype bf16 \
    --model.gradient_checkpointing_enable \
    --ckpt.output_dir "${OUT:-out/sft}" \
    --eval.steps -1 \
    "$@"
