# In a clone.
cd "$PROJECT"
function scripts/demo { command scripts/demo --once; }
echo secret >/etc/mirrord/hub-password
