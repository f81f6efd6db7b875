type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** The form of a sentence for a count, which stands where it has a `#`. */
export function pluralIn(language: string): (count: number, forms: Forms) => string {
  const rules = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  return (count, forms) => (forms[rules.select(count)] ?? forms.other).replace('#', numbers.format(count));
}
