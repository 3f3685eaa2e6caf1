// What the pages' code uses besides the package: the app's own parts, and SDKs, which have no types here.
declare module '@odysseyml/odyssey'
declare module 'react-native'

declare const mints: import('avatar-mint-client').MintClient
declare const userJwt: (force: boolean) => Promise<string>
declare const __DEV__: boolean
declare const AvatarSDK: any
declare const AvatarManager: any
declare const ConvaiClient: any
declare const TokenSource: any
declare const TrulienceAvatar: any
declare const agora: any

declare namespace JSX {
  type Element = unknown
  interface IntrinsicElements {
    [name: string]: unknown
  }
}
