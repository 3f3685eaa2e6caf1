// Packages made for bundlers import './File'; Node wants './File.js'.
export async function resolve(specifier, context, next) {
  return next(specifier, context).catch((fault) => {
    if (!specifier.startsWith('.')) throw fault
    return next(`${specifier}.js`, context)
  })
}
