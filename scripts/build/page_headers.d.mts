export const contentSecurityPolicy: string;
export const contentSecurityPolicyInPage: string;
export const pageHeaders: Readonly<Record<string, string>>;
