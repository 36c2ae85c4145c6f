[
  (scenario)
  (session)
  (permutation)
  (block)
] @fold
