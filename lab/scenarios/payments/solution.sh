# Run it with the lab up: sh lab/scenarios/payments/solution.sh
eval "$(weft lab env --ids)"

# The offices go out of both locks.
weft security-group revoke "$sg_vault" "$sgr_vault_in_2"
weft network-acl put-entry "$acl_vault" ingress 100 allow tcp:8443:10.51.3.0/24
weft network-acl put-entry "$acl_vault" egress 100 allow tcp:1024-65535:10.51.3.0/24

# The ledger goes to the vault and nowhere else.
weft security-group authorize "$sg_ledger" --egress "tcp:8443:$sg_vault"
weft security-group revoke "$sg_ledger" "$sgr_ledger_out_1" "$sgr_ledger_out_2"

# What the vault refuses is written down again.
weft flow-log create "$eni_vault" --traffic REJECT --interval 60 --name vault-refused --wait
