#!/usr/bin/env bash
# Tests a deployment in a sandbox account: lets Step Functions validate the state machines, deploys a new stack, drops a
# file, calls the model over HTTP, and always removes everything again, even after a failure.
#
#   SANDBOX_ACCOUNT=123456789012 tools/sandbox_deploy.sh eu-west-1 [PARAMETER=VALUE]...
#
# It takes 20 to 30 minutes, mostly to build and push the image, and costs less than $0.10. Parameters are those of
# template.yaml (default: Gpu=none). Variables:
#   SANDBOX_ACCOUNT  the account that the credentials must belong to
#   STACK            the stack's name (default: modeldrop-sandbox and the time)
#   KEEP=1           do not remove the stack
set -euo pipefail
cd "$(dirname "$0")/.."
region=${1:?usage: SANDBOX_ACCOUNT=ACCOUNT tools/sandbox_deploy.sh REGION [PARAMETER=VALUE]...}
shift
[ $# -gt 0 ] || set -- Gpu=none
stack=${STACK:-modeldrop-sandbox-$(date +%s)}
file=docs/examples/wohnungen.csv
model=wohnungen
export AWS_DEFAULT_REGION=$region

step() { echo "== $(date +%H:%M:%S) $*"; }
on_stack() { modeldrop --stack "$stack" --region "$region" "$@"; }
validate() { # NAME DEFINITION: fails with Step Functions' own diagnostics
    local answer
    answer=$(aws stepfunctions validate-state-machine-definition --definition "$2" --output text --query result)
    if [ "$answer" != OK ]; then
        aws stepfunctions validate-state-machine-definition --definition "$2" --query diagnostics >&2
        echo "Step Functions refuses the state machine $1" >&2
        return 1
    fi
    echo "$1: OK"
}

step "account"
account=$(aws sts get-caller-identity --query Account --output text)
if [ "$account" != "${SANDBOX_ACCOUNT:?the number of the sandbox account is expected}" ]; then
    echo "the credentials belong to account $account: those of the sandbox account $SANDBOX_ACCOUNT are expected" >&2
    exit 1
fi

step "state machines, as they are written"
for definition in pipeline/*.asl.json; do
    validate "$definition" "file://$definition"
done

remove() {
    status=$?
    trap - EXIT
    if [ "${KEEP:-}" = 1 ]; then
        echo "the stack $stack stays: 'modeldrop --stack $stack --region $region destroy' removes it"
        exit "$status"
    fi
    step "remove $stack"
    if aws cloudformation describe-stacks --stack-name "$stack" >/dev/null 2>&1; then
        on_stack destroy --yes || status=1
    fi
    if aws cloudformation describe-stacks --stack-name "$stack" >/dev/null 2>&1; then
        echo "the stack $stack is still there" >&2
        status=1
    fi
    exit "$status"
}
trap remove EXIT
trap 'exit 130' INT TERM

step "deploy $stack"
on_stack deploy "$@" --yes

step "state machines, as they are deployed"
aws cloudformation list-stack-resources --stack-name "$stack" --output text \
    --query "StackResourceSummaries[?ResourceType=='AWS::StepFunctions::StateMachine'].PhysicalResourceId" | tr '\t' '\n' |
    while read -r arn; do
        validate "$arn" "$(aws stepfunctions describe-state-machine --state-machine-arn "$arn" --query definition --output text)"
    done

step "drop $file"
on_stack drop "$file" --model "$model"

step "call the model"
key=$(on_stack keys create demo --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["api_key"])')
predictions=$(modeldrop --stack "$stack" --region "$region" --api-key "$key" predict "$model" "$file" --rows 3 --json |
    python3 -c 'import json, sys; print(len(json.load(sys.stdin)["predictions"]))')
if [ "$predictions" != 3 ]; then
    echo "$predictions predictions were returned: 3 are expected" >&2
    exit 1
fi
step "$predictions predictions: a file became a served model"
