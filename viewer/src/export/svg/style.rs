//! How the picture looks: on light ground, and on dark ground where who looks at it prefers that.
//!
//! Only classes, no variables: programs that know less of CSS than browsers draw the light one.

/// The whole style sheet. It loads nothing.
pub const CSS: &str = "\
text{font:12px ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328;white-space:pre}\
.title{font-size:16px;font-weight:600}.sub,.foot,.tick,.group{fill:#59636e}.foot,.tick{font-size:11px}\
.group{font-size:11px;letter-spacing:.04em}\
.name,.end{font:12px ui-monospace,'SFMono-Regular',Menlo,Consolas,'DejaVu Sans Mono',monospace}.end{font-size:11px}\
.headline{font-weight:600}.advice{fill:#59636e}.in{fill:#fff;font-size:11px;font-weight:600}\
.number{fill:#fff;font-size:11px;font-weight:700;text-anchor:middle}\
.ground{fill:#fff;stroke:#d1d9e0}.rule,.grid,.seam{fill:none;stroke:#d1d9e0}.grid{stroke:#eaeef2}\
.seam{stroke:#818b98;stroke-dasharray:2 3}\
.phase{fill:#6e7781}.stopping{fill:#2563b5}.term-spree{fill:#a65f00}.kill-spree{fill:#c01c36}\
.unmounting{fill:#6b4bb8}.phase.end{fill:#24292f}\
.life{fill:#8b98a8}.again{fill:#2f7fe0}.stop{fill:#e0a030}\
.well{fill:#1f883d}.kill{fill:none;stroke:#cf1d39;stroke-width:2.6;stroke-linecap:round}.open{fill:#fff;stroke:#a65f00;stroke-width:1.8}\
.end.well{fill:#59636e}.end.killed{fill:#c01c36;font-weight:600}.end.open{fill:#8a4f00;stroke:none;font-weight:600}\
.badge.bad{fill:#c01c36}.badge.warn{fill:#8a5a00}.badge.dim{fill:#6e7781}\
.wire{fill:none;stroke-width:1.3}.tip{stroke:none}\
.wire.s9{stroke:#cf1d39}.tip.s9{fill:#cf1d39}.wire.s15{stroke:#b06a00}.tip.s15{fill:#b06a00}\
.wire.s0{stroke:#6e7781}.tip.s0{fill:#6e7781}.wire.restart{stroke:#2563b5;stroke-width:1.8;stroke-dasharray:4 3}.tip.restart{fill:#2563b5}\
@media (prefers-color-scheme:dark){\
text{fill:#e6edf3}.sub,.foot,.tick,.group,.advice{fill:#9198a1}.in,.number{fill:#fff}\
.ground{fill:#0d1117;stroke:#3d444d}.rule{stroke:#3d444d}.grid{stroke:#21262d}.seam{stroke:#6e7681}\
.phase{fill:#57606a}.stopping{fill:#1f5fae}.term-spree{fill:#8f5600}.kill-spree{fill:#b62039}.unmounting{fill:#6142ab}\
.phase.end{fill:#30363d}\
.life{fill:#6e7b8b}.again{fill:#388bfd}.stop{fill:#d29922}.well{fill:#3fb950}.kill{stroke:#ff6b6b}.open{fill:#0d1117;stroke:#e3a008}\
.end.well{fill:#9198a1}.end.killed{fill:#ff7b72}.end.open{fill:#e3a008}\
.badge.bad{fill:#b62039}.badge.warn{fill:#8a5a00}.badge.dim{fill:#57606a}\
.wire.s9{stroke:#ff6b6b}.tip.s9{fill:#ff6b6b}.wire.s15{stroke:#e3a008}.tip.s15{fill:#e3a008}\
.wire.s0{stroke:#9198a1}.tip.s0{fill:#9198a1}.wire.restart{stroke:#58a6ff}.tip.restart{fill:#58a6ff}}";
