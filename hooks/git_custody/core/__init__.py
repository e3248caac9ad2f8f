"""What every hook rests on: git, change sets, policy, findings, waivers, reports."""
