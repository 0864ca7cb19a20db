#!/usr/bin/env bash
# DPO in OpenRLHF 0.11, on hard labels: it has no label of its own for each pair. Written by Solon.
#   MODEL=... OUT=... ./train_dpo.sh [further options]
set -euo pipefail
cd "$(dirname "$0")"
MODEL=${MODEL:-@MODEL@}
: "${MODEL:?set MODEL to a folder of whole weights or an id on the Hugging Face Hub}"

deepspeed --module openrlhf.cli.train_dpo \
    --model.model_name_or_path "$MODEL" \
    --ref.model_name_or_path "$MODEL" \
    --model.beta @DPO_BETA@ \
    --data.dataset preferences.jsonl \
    --data.prompt_key prompt \
    --data.chosen_key chosen \
    --data.rejected_key rejected \
    --data.apply_chat_template \
    --data.max_len @DPO_LENGTH@ \
    --train.batch_size "${BATCH:-@DPO_BATCH@}" \
    --train.micro_batch_size "${MICRO_BATCH:-1}" \
    --train.max_epochs @DPO_EPOCHS@ \
    --train.seed @SEED@ \
    --adam.lr "${LR:-5e-7}" \
    --ds.zero_stage 3 \
    --ds.param_dtype bf16 \
    --model.gradient_checkpointing_enable \
    --ckpt.output_dir "${OUT:-out/dpo}" \
    --eval.steps -1 \
    "$@"
